/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages. A library that lives in someone else's process prints nothing unasked: until a sink is
 * set, messages vanish. The sink is called with the message without newline.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level {
	LOG_ERR = 3,
	LOG_WARN = 4,
	LOG_NOTICE = 5,
	LOG_INFO = 6,
	LOG_DEBUG = 7,
	/* An error that Linux too tells its log alone: the program's stderr does not show it. */
	LOG_KERNEL_ERR = LOG_ERR | 0x10
};
/* What the log shows of a level. */
#define LOG_PRIORITY(level) ((enum log_level)((level)&7))

typedef void (*log_sink_fn)(void *arg, enum log_level level, const char *message);
void log_set_sink(log_sink_fn fn, void *arg);

/* Kernel-log-like line ("vfio-pci 0000:01:00.0: ..."), at most 511 bytes. Not in signal context. */
void log_print(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define pr_err(...)	   log_print(LOG_ERR, __VA_ARGS__)
#define pr_kernel_err(...) log_print(LOG_KERNEL_ERR, __VA_ARGS__)
#define pr_warn(...)	   log_print(LOG_WARN, __VA_ARGS__)
#define pr_notice(...)	   log_print(LOG_NOTICE, __VA_ARGS__)
#define pr_info(...)	   log_print(LOG_INFO, __VA_ARGS__)
#define pr_debug(...)	   log_print(LOG_DEBUG, __VA_ARGS__)

#endif
