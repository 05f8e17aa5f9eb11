/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MMIO trap: a load or store of the program at a page whose access takes it away.
 *
 * It runs in signal context at the faulting instruction with asynchronous signals blocked. The
 * signal stack may be small (8 KiB in a Rust thread, of which the frame takes 3.4), so the work is
 * done on a stack of our own: a pool of trap contexts, taken and given back without locks, each
 * with a stack and a cache of decoded instructions. The pool grows to the number of threads that
 * trap at once.
 *
 * At library depth 0 the faulting instruction is the program's, and a model may do all that it
 * may in a call: take locks, run its queues. Above 0 the trap came from a handler of the program's
 * that interrupted us; the model is told (nested) and takes no lock.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/copy.h"
#include "base/depth.h"
#include "base/fault.h"
#include "base/sysraw.h"
#include "base/valgrind.h"
#include "file/trap_priv.h"

#define CONTEXTS   1024U
#define STACK_SIZE (256UL * 1024)
#define INSN_MAX   15
#define INT3	   0xcc
#define CACHE_SIZE 64
/* A page that is open but faults all the same: another thread is about to change its protection.
 * After so many tries somebody has protected it behind our back. */
#define RETRIES 20000
/* From this try on, each sleeps: that thread may be waiting for a CPU. */
#define YIELDS	 1000
#define PF_WRITE 2

struct cached_insn {
	uintptr_t rip; /* 0: empty */
	uint8_t bytes[INSN_MAX];
	bool known;
	struct insn insn;
};

struct context {
	atomic_uint next_free; /* number + 1; 0: none */
	unsigned int number;
	struct cached_insn cache[CACHE_SIZE];
};

/* What the fault was, passed to the other stack. */
struct trap_call {
	struct trap trap;
	struct context *context;
	enum emulate_result result;
	bool breakpoint; /* a debugger's, on the instruction */
};

static _Atomic(struct context *) contexts[CONTEXTS];
static atomic_uint context_count;
/* The head of the free list: number + 1 in the low half, a tag against reuse in the high half. */
static atomic_ullong free_contexts;

static _Thread_local struct {
	uintptr_t rip, addr;
	unsigned int count;
} retry __attribute__((tls_model("initial-exec")));

/* alu.S */
void trap_switch_stack(void (*fn)(void *arg), void *arg, void *stack_top);

static const uint8_t reg_index[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

uint64_t *trap_reg(ucontext_t *uc, unsigned int reg)
{
	return (uint64_t *)&uc->uc_mcontext.gregs[reg_index[reg & 15]];
}

uint64_t trap_segment(unsigned int segment)
{
	enum { GET_FS = 0x1003, GET_GS = 0x1004 };
	uint64_t base = 0;

	if (segment == 4 || segment == 5)
		sysraw3(SYS_arch_prctl, segment == 4 ? GET_FS : GET_GS, (long)&base, 0);
	return base;
}

static struct context *new_context(void)
{
	unsigned int number = atomic_fetch_add(&context_count, 1);
	struct context *c;
	long at;

	if (number >= CONTEXTS) {
		atomic_fetch_sub(&context_count, 1);
		return NULL;
	}
	/* A page that catches an overflow, the stack, the context. */
	at = raw_mmap(NULL, HOST_PAGE_SIZE + STACK_SIZE + sizeof(*c), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -4096)
		return NULL;
	raw_mprotect((void *)at, HOST_PAGE_SIZE, PROT_NONE);
	c = (struct context *)((uintptr_t)at + HOST_PAGE_SIZE + STACK_SIZE);
	c->number = number;
	valgrind_stack_register((void *)((uintptr_t)at + HOST_PAGE_SIZE), c);
	atomic_store_explicit(&contexts[number], c, memory_order_release);
	return c;
}

static struct context *take_context(void)
{
	unsigned long long head = atomic_load(&free_contexts), next;
	struct context *c;

	while ((uint32_t)head) {
		c = atomic_load_explicit(&contexts[(uint32_t)head - 1], memory_order_acquire);
		next = ((head >> 32) + 1) << 32 | atomic_load(&c->next_free);
		if (atomic_compare_exchange_weak(&free_contexts, &head, next))
			return c;
	}
	return new_context();
}

static void give_context(struct context *c)
{
	unsigned long long head = atomic_load(&free_contexts), next;

	do {
		atomic_store(&c->next_free, (uint32_t)head);
		next = ((head >> 32) + 1) << 32 | (c->number + 1);
	} while (!atomic_compare_exchange_weak(&free_contexts, &head, next));
}

/* The instruction at @rip; NULL: none that can be executed here. */
static const struct insn *fetch_insn(struct context *c, uintptr_t rip, bool *breakpoint)
{
	struct cached_insn *e = &c->cache[(rip ^ rip >> 6 ^ rip >> 12) % CACHE_SIZE];
	uint8_t bytes[INSN_MAX] = { 0 };
	size_t len;

	len = INSN_MAX - copy_nofault(bytes, (const void *)rip, INSN_MAX);
	*breakpoint = bytes[0] == INT3 && code_behind_breakpoint(rip, bytes);
	/* Code changes: the bytes are compared, not only the address. */
	if (e->rip != rip || memcmp(e->bytes, bytes, INSN_MAX) != 0) {
		memcpy(e->bytes, bytes, INSN_MAX);
		e->known = decode_insn(bytes, len, &e->insn);
		e->rip = rip;
	}
	return e->known ? &e->insn : NULL;
}

/* The page of @addr: the one that trapped mostly. False: not a tracked page. */
static bool hit_at(struct trap *t, uintptr_t addr, struct mapping_hit *hit)
{
	if ((addr & HOST_PAGE_MASK) != t->page)
		return mapping_lookup(addr, hit);
	*hit = t->hit;
	hit->off += (addr & ~HOST_PAGE_MASK);
	return true;
}

static void release_hit(struct trap *t, const struct mapping_hit *hit, uintptr_t addr)
{
	if ((addr & HOST_PAGE_MASK) != t->page)
		file_put_deferred(hit->obj);
}

static enum emulate_result native_cycle(uintptr_t addr, unsigned int width, uint64_t *value,
					bool write)
{
	int ret = write ? store_nofault(addr, width, *value) : load_nofault(addr, width, value);

	return ret ? EMULATE_SEGV : EMULATE_DONE;
}

static enum emulate_result device_cycle(struct trap *t, const struct mapping_hit *hit,
					uintptr_t addr, unsigned int width, uint64_t *value,
					bool write)
{
	struct file *file = &hit->obj->file;

	if (write ? !(hit->prot & PROT_WRITE) : !hit->prot)
		return EMULATE_SEGV;
	if (hit->access == PAGE_REVOKED)
		return EMULATE_BUS;
	if (hit->access == PAGE_DIRECT || (hit->access == PAGE_TRAP_WRITE && !write))
		/* What is not there although it should be is being changed right now. */
		return native_cycle(addr, width, value, write) == EMULATE_DONE ? EMULATE_DONE
									       : EMULATE_AGAIN;
	if (write) {
		if (file->ops->mmio_write)
			file->ops->mmio_write(file, hit->off, width, *value, t->nested);
	} else {
		*value = file->ops->mmio_read ? file->ops->mmio_read(file, hit->off, width)
					      : UINT64_MAX;
	}
	return EMULATE_DONE;
}

/* One naturally aligned cycle of 1, 2, 4 or 8 bytes. */
static enum emulate_result cycle(struct trap *t, uintptr_t addr, unsigned int width,
				 uint64_t *value, bool write)
{
	enum emulate_result ret;
	struct mapping_hit hit;

	if (hit_at(t, addr, &hit)) {
		ret = device_cycle(t, &hit, addr, width, value, write);
		release_hit(t, &hit, addr);
	} else {
		ret = native_cycle(addr, width, value, write);
	}
	if (ret != EMULATE_DONE)
		t->fault_addr = addr;
	return ret;
}

static unsigned int cycle_width(uintptr_t addr, size_t len)
{
	unsigned int width = 8;

	while (width > len || !IS_ALIGNED(addr, width))
		width /= 2;
	return width;
}

enum emulate_result trap_read(struct trap *t, uintptr_t addr, void *buf, size_t len)
{
	enum emulate_result ret;
	unsigned int width;
	uint64_t value;
	size_t done;

	for (done = 0; done < len; done += width) {
		width = cycle_width(addr + done, len - done);
		ret = cycle(t, addr + done, width, &value, false);
		if (ret != EMULATE_DONE)
			return ret;
		memcpy((uint8_t *)buf + done, &value, width);
	}
	return EMULATE_DONE;
}

enum emulate_result trap_write(struct trap *t, uintptr_t addr, const void *buf, size_t len)
{
	enum emulate_result ret;
	unsigned int width;
	uint64_t value;
	size_t done;

	for (done = 0; done < len; done += width) {
		width = cycle_width(addr + done, len - done);
		value = 0;
		memcpy(&value, (const uint8_t *)buf + done, width);
		ret = cycle(t, addr + done, width, &value, true);
		if (ret != EMULATE_DONE)
			return ret;
	}
	return EMULATE_DONE;
}

bool trap_at(struct trap *t, uintptr_t addr)
{
	struct mapping_hit hit;
	bool ret;

	if (!hit_at(t, addr, &hit))
		return false;
	ret = hit.access != PAGE_DIRECT;
	release_hit(t, &hit, addr);
	return ret;
}

/*
 * When the signal came on the program's alternate stack, a fault of the copy routine would come
 * there too, since we have left it: from its top, over the frame by which this signal returns. So
 * it is taken away for as long as we are on our own stack. True: it has to be given back.
 */
static bool alternate_stack_away(const ucontext_t *uc)
{
	static const stack_t none = { .ss_flags = SS_DISABLE };
	const stack_t *stack = &uc->uc_stack;

	if ((uintptr_t)uc - (uintptr_t)stack->ss_sp >= stack->ss_size)
		return false;
	return raw_sigaltstack(&none, NULL) == 0;
}

static void work(struct trap_call *call)
{
	struct trap *t = &call->trap;
	greg_t *rip = &t->uc->uc_mcontext.gregs[REG_RIP];
	const struct insn *insn = fetch_insn(call->context, (uintptr_t)*rip, &call->breakpoint);

	if (!insn) {
		call->result = EMULATE_SEGV;
		return;
	}
	call->result = emulate(t, insn);
	if (call->result == EMULATE_DONE)
		*rip += insn->length;
	call->breakpoint = call->breakpoint && code_is_debugged();
}

/* On our own stack. */
static void run_trap(void *arg)
{
	struct trap_call *call = arg;
	const ucontext_t *uc = call->trap.uc;
	bool away = alternate_stack_away(uc);
	stack_t stack = uc->uc_stack;

	work(call);
	if (away) {
		stack.ss_flags = 0;
		raw_sigaltstack(&stack, NULL);
	}
}

static enum emulate_result emulate_fault(struct trap_call *call)
{
	int saved_errno = errno, cancel_state = PTHREAD_CANCEL_ENABLE;

	call->context = take_context();
	if (!call->context)
		return EMULATE_AGAIN; /* all are in use: some will come back */
	call->trap.nested = lib_depth > 0;
	depth_enter();
	/* A model's calls are no cancellation points of the program's store. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	trap_switch_stack(run_trap, call, call->context);
	pthread_setcancelstate(cancel_state, NULL);
	depth_leave();
	give_context(call->context);
	errno = saved_errno;
	return call->result;
}

/*
 * A debugger waits for the program to come back to an instruction that has been executed: it stops
 * right behind it instead, by a signal that is delivered when ours returns.
 */
static void stop_behind(void)
{
	const ksigset_t set = KSIG(SIGTRAP);

	raw_sigprocmask(SIG_BLOCK, &set, NULL);
	sysraw3(SYS_tgkill, raw_getpid(), raw_gettid(), SIGTRAP);
}

/* Whether to execute the instruction again, or give up because that has not helped for long. */
static bool try_again(uintptr_t rip, uintptr_t addr)
{
	static const struct timespec pause = { .tv_nsec = 100000 };

	if (retry.rip != rip || retry.addr != addr) {
		retry.rip = rip;
		retry.addr = addr;
		retry.count = 0;
	}
	if (++retry.count > RETRIES) {
		retry.count = 0;
		return false;
	}
	if (retry.count > YIELDS)
		sysraw3(SYS_nanosleep, (long)&pause, 0, 0);
	else
		raw_sched_yield();
	return true;
}

/* As the kernel does for a page of a BAR that has been taken away. */
static void raise_sigbus(siginfo_t *info, ucontext_t *uc, uintptr_t addr)
{
	info->si_signo = SIGBUS;
	info->si_code = BUS_ADRERR;
	info->si_addr = (void *)addr;
	fault_deliver(SIGBUS, info, uc);
}

static bool trap_fault(int sig, siginfo_t *info, void *ucontext)
{
	struct trap_call call = { .trap = { .uc = ucontext } };
	struct mapping_hit *hit = &call.trap.hit;
	uintptr_t addr = (uintptr_t)info->si_addr;
	uintptr_t rip = (uintptr_t)call.trap.uc->uc_mcontext.gregs[REG_RIP];
	bool write = call.trap.uc->uc_mcontext.gregs[REG_ERR] & PF_WRITE;
	enum emulate_result ret;

	if (sig != SIGSEGV || info->si_code != SEGV_ACCERR || !mapping_lookup(addr, hit))
		return false;
	call.trap.page = addr & HOST_PAGE_MASK;
	call.trap.fault_addr = addr;
	hit->off -= addr & ~HOST_PAGE_MASK;
	if (write ? !(hit->prot & PROT_WRITE) : !hit->prot)
		ret = EMULATE_SEGV;
	else if (hit->access == PAGE_REVOKED)
		ret = EMULATE_BUS;
	else if (hit->access == PAGE_DIRECT)
		ret = EMULATE_AGAIN;
	else
		ret = emulate_fault(&call);
	file_put_deferred(hit->obj);

	switch (ret) {
	case EMULATE_DONE:
		retry.rip = 0;
		if (call.breakpoint)
			stop_behind();
		return true;
	case EMULATE_AGAIN:
		/* A repeated instruction has come further, and is another fault next time. */
		return try_again(rip ^ *trap_reg(call.trap.uc, 1) << 32, addr) ||
		       mapping_mend(addr);
	case EMULATE_BUS:
		raise_sigbus(info, call.trap.uc, call.trap.fault_addr);
		return true;
	case EMULATE_SEGV:
		break;
	}
	info->si_addr = (void *)call.trap.fault_addr;
	return false;
}

int trap_init(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static atomic_bool done;
	int ret = 0;

	if (atomic_load_explicit(&done, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&lock);
	if (!atomic_load_explicit(&done, memory_order_relaxed)) {
		xstate_init();
		ret = decode_init();
		if (!ret)
			ret = fault_init();
		if (!ret) {
			fault_set_mmio(trap_fault);
			atomic_store_explicit(&done, true, memory_order_release);
		}
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

int file_prepare_traps(void)
{
	return trap_init();
}
