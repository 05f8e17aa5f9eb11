/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/depth.h"
#include "base/following.h"

_Thread_local int lib_depth __attribute__((tls_model("initial-exec")));
_Thread_local int lib_following __attribute__((tls_model("initial-exec")));
