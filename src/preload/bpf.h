/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seccomp filter says to a system call. */
#ifndef PRELOAD_BPF_H
#define PRELOAD_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include "base/types.h"

/* Runs the @count instructions on @data. The filter's result (SECCOMP_RET_*), SECCOMP_RET_ALLOW for
 * one that the kernel would not take. */
uint32_t bpf_run(const struct sock_filter *insns, size_t count, const struct seccomp_data *data);

#endif
