/* SPDX-License-Identifier: LGPL-2.1 */
/* What the kernel's headers have for its own code */
#ifndef _GHOST_COMPILER_H
#define _GHOST_COMPILER_H

#ifndef __printf
#define __printf(fmt, args)	__attribute((__format__(__printf__, fmt, args)))
#endif

#ifndef __noreturn
#define __noreturn		__attribute((__noreturn__))
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

#endif /* _GHOST_COMPILER_H */
