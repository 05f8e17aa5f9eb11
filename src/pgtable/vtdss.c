/* SPDX-License-Identifier: BSD-3-Clause */
/* The walker for the VT-d second-stage format. */
#include "pgtable/vtdss.h"
#include "pgtable/walker_priv.h"
