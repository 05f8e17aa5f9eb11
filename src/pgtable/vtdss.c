/* SPDX-License-Identifier: BSD-3-Clause */
/* The walker for the VT-d second-stage format. */
#include "vtdss.h"
#include "walker_priv.h"
