/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This thread brings the objects of its process into line with what another process has done, or
 * takes them down: what happens is no news. Nothing is said of it in the log or as an event.
 */
#ifndef BASE_FOLLOWING_H
#define BASE_FOLLOWING_H

extern _Thread_local int lib_following __attribute__((tls_model("initial-exec")));

#endif
