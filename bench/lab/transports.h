/* SPDX-License-Identifier: Apache-2.0 */
/* What each transport's file gives to the table in transports.c. */
#ifndef LAB_TRANSPORTS_H
#define LAB_TRANSPORTS_H

#include "lab.h"

extern const struct lab_transport lab_line;  /* line.c */
extern const struct lab_transport lab_ring;  /* ring.c */
extern const struct lab_transport lab_topic; /* topic.c */
extern const struct lab_transport lab_pipe;  /* bytes.c */
extern const struct lab_transport lab_fifo;
extern const struct lab_transport lab_unix_stream;
extern const struct lab_transport lab_unix_seqpacket;
extern const struct lab_transport lab_tcp;
extern const struct lab_transport lab_posix_mq; /* queue.c */
extern const struct lab_transport lab_sysv_msg;
extern const struct lab_transport lab_eventfd; /* buffer.c */
extern const struct lab_transport lab_futex;
extern const struct lab_transport lab_process_vm;
extern const struct lab_transport lab_textbook;

#endif
