/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind "irq" of the trace: an interrupt's way from the function to where it ended, and what the
 * irqbypass manager does. One line each, in the order in which they happen. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "irq/trace.h"
#include "machine/machine_priv.h"
#include "machine/trace_priv.h"

/* As in /proc/PID/fdinfo ("eventfd-id"). */
#define EVENTFD_ID(token) ((uint64_t)(token)-1)

static int put_time(char *line, size_t size, const char *who, uint64_t nsec)
{
	return snprintf(line, size, "irq %s: %" PRIu64 ".%06" PRIu64 " ", who, nsec / 1000000000,
			nsec / 1000 % 1000000);
}

/* "vector 3 (irq 27, eventfd 5)": the producer. */
static int put_source(char *line, size_t size, const struct irq_event *e)
{
	char irq[24] = "", eventfd[40] = "", what[24];

	if (e->way == IRQ_PIN)
		return snprintf(line, size, "INTx");
	if (e->irq)
		snprintf(irq, sizeof(irq), "irq %u", e->irq);
	if (e->token)
		snprintf(eventfd, sizeof(eventfd), "%seventfd %" PRIu64, e->irq ? ", " : "",
			 EVENTFD_ID(e->token));
	if (e->vector == IRQ_NO_VECTOR)
		snprintf(what, sizeof(what), "message by DMA");
	else
		snprintf(what, sizeof(what), "vector %u", e->vector);
	return snprintf(line, size, "%s%s%s%s%s", what, *irq || *eventfd ? " (" : "", irq, eventfd,
			*irq || *eventfd ? ")" : "");
}

static int put_end(char *line, size_t size, const struct irq_event *e)
{
	char entry[24] = "";

	if (e->entry != IRQ_NO_ENTRY)
		snprintf(entry, sizeof(entry), " -> entry %u", e->entry);
	switch (e->way) {
	case IRQ_PIN:
		return snprintf(line, size, " -> eventfd\n");
	case IRQ_PENDING:
		return snprintf(line, size, " is masked: pending\n");
	case IRQ_EVENTFD:
		return snprintf(line, size, "%s -> vector 0x%02x of APIC %u -> eventfd, %u ns\n",
				entry, e->apic_vector, e->dest, e->nsec);
	case IRQ_POSTED:
	case IRQ_NOTIFIED:
		return snprintf(line, size, "%s -> posted, vector 0x%02x of vCPU %u%s, %u ns\n",
				entry, e->apic_vector, e->dest,
				e->way == IRQ_NOTIFIED ? ", notified" : "", e->nsec);
	case IRQ_BLOCKED:
		return snprintf(line, size, "%s -> blocked\n", entry);
	}
	return snprintf(line, size, "\n");
}

static bool format_irq(const struct event *event, char *line, size_t size)
{
	char address[PCI_ADDRESS_LEN];
	struct irq_event e;
	size_t n;

	irq_event_unpack(event->a, event->b, event->c, &e);
	n = (size_t)put_time(line, size, pci_address_format(event->dev, address),
			     event->nsec - e.nsec);
	n += (size_t)put_source(line + n, size - n, &e);
	put_end(line + n, size - n, &e);
	return true;
}

static bool format_bypass(const struct event *event, char *line, size_t size)
{
	int irq = IRQ_BYPASS_WHO_IRQ(event->c), ret = IRQ_BYPASS_WHO_RESULT(event->c);
	size_t n = (size_t)put_time(line, size, "bypass", event->nsec);
	uint64_t id = EVENTFD_ID(event->b);

	line += n;
	size -= n;
	switch ((enum irq_bypass_step)event->a) {
	case IRQ_BYPASS_PRODUCER_ADD:
		snprintf(line, size, "eventfd %" PRIu64 ": producer irq %d comes\n", id, irq);
		return true;
	case IRQ_BYPASS_PRODUCER_DEL:
		snprintf(line, size, "eventfd %" PRIu64 ": producer irq %d goes\n", id, irq);
		return true;
	case IRQ_BYPASS_CONSUMER_ADD:
		snprintf(line, size, "eventfd %" PRIu64 ": consumer comes\n", id);
		return true;
	case IRQ_BYPASS_CONSUMER_DEL:
		snprintf(line, size, "eventfd %" PRIu64 ": consumer goes\n", id);
		return true;
	case IRQ_BYPASS_PAIR:
		if (ret)
			snprintf(line, size, "eventfd %" PRIu64 ": pairing irq %d fails: %d\n", id,
				 irq, ret);
		else
			snprintf(line, size, "eventfd %" PRIu64 ": irq %d and consumer paired\n",
				 id, irq);
		return true;
	case IRQ_BYPASS_UNPAIR:
		snprintf(line, size, "eventfd %" PRIu64 ": irq %d and consumer unpaired\n", id,
			 irq);
		return true;
	case IRQ_BYPASS_STEPS:
		break;
	}
	return false;
}

bool trace_format_irq(const struct event *event, char *line, size_t size)
{
	return event->type == EVENT_IRQ ? format_irq(event, line, size)
					: format_bypass(event, line, size);
}
