/* SPDX-License-Identifier: MIT */
/*
 * What a model may do in the place of the world outside: make descriptors ready, send
 * signals.
 */
#ifndef WEFT_SYS_MODEL_IO_H
#define WEFT_SYS_MODEL_IO_H

/* A descriptor that is ready for nothing. It ends with weft__fd_close(), or the run. */
int weft__model_fd(void);

/* It becomes ready for `how` (WEFT__READABLE ...), or no longer is. Each becoming is a
 * change, also if it was. */
void weft__model_fd_raise(int fd, unsigned how);
void weft__model_fd_lower(int fd, unsigned how);

/* The signal is delivered to the calling thread: a handler runs now, if there is one. */
void weft__model_signal(int number);

#endif
