/* banned: functions that fail to compile in our sources, with the reason in one word
 * each. Included by the build into every source file of ours (-include), after the system
 * headers that declare them. */
#ifndef POSTRIDER_BASE_BANNED_H
#define POSTRIDER_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets /* unbounded */
#pragma GCC poison strtok gmtime localtime asctime ctime               /* static state */
#pragma GCC poison atoi atol atoll                                     /* no errors */
#pragma GCC poison srand srandom                                       /* predictable */
#pragma GCC poison popen                                               /* a shell */

#endif
