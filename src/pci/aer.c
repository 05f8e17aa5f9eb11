/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Advanced Error Reporting (PCI Express Base 3.0, 6.2 and 7.10) and the host's side of it (the
 * kernel's drivers/pci/pcie/aer.c, err.c and aer_inject.c).
 *
 * A function that detects an error sets the status bit, for the first uncorrectable one also the
 * first error pointer and the header log, and sends a message to its root port, which notes status
 * and source. The host looks at the root port, then at the function, counts, prints, and for
 * uncorrectable errors asks every driver below the port; after a fatal one the link is reset, which
 * leaves the functions' registers as after power-on.
 *
 * The host's part runs under core->lock; registers are touched under dev->lock.
 */
#include "pci/aer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/log.h"
#include "pci/bus_priv.h"
#include "pci/pci_priv.h"

#define DEFAULT_INTERVAL_MS 1250
#define DEFAULT_BURST	    10

/* What a function here can detect; the rest of the register is reserved. */
#define UNCOR_BITS 0x07fff030u
#define COR_BITS   0x0000f1c1u

const char *const pci_aer_cor_names[16] = {
	[0] = "RxErr",	  [6] = "BadTLP",	[7] = "BadDLLP",     [8] = "Rollover",
	[12] = "Timeout", [13] = "NonFatalErr", [14] = "CorrIntErr", [15] = "HeaderOF",
};

const char *const pci_aer_uncor_names[32] = {
	[0] = "Undefined",
	[4] = "DLP",
	[5] = "SDES",
	[12] = "TLP",
	[13] = "FCP",
	[14] = "CmpltTO",
	[15] = "CmpltAbrt",
	[16] = "UnxCmplt",
	[17] = "RxOF",
	[18] = "MalfTLP",
	[19] = "ECRC",
	[20] = "UnsupReq",
	[21] = "ACSViol",
	[22] = "UncorrIntErr",
	[23] = "BlockedTLP",
	[24] = "AtomicOpBlocked",
	[25] = "TLPBlockedErr",
	[26] = "PoisonTLPBlocked",
	[27] = "DMWrReqBlocked",
	[28] = "IDECheck",
	[29] = "MisIDETLP",
	[30] = "PCRC_CHECK",
	[31] = "TLPXlatBlocked",
};

uint32_t pci_aer_bit(const char *name, bool correctable)
{
	const char *const *names = correctable ? pci_aer_cor_names : pci_aer_uncor_names;

	for (unsigned int i = 0; i < (correctable ? 16u : 32u); i++)
		if (names[i] && !strcasecmp(names[i], name))
			return 1u << i;
	return 0;
}

/* ---- the capability -------------------------------------------------------------------------- */

static void set_mask(struct pci_dev *dev, unsigned int reg, uint32_t mask)
{
	for (unsigned int i = 0; i < 4; i++)
		dev->wmask[reg + i] = (uint8_t)(mask >> (8 * i));
}

static void set_w1c(struct pci_dev *dev, unsigned int reg, uint32_t mask)
{
	for (unsigned int i = 0; i < 4; i++)
		dev->w1cmask[reg + i] = (uint8_t)(mask >> (8 * i));
}

int pci_add_aer_cap(struct pci_dev *dev)
{
	int ret = dev->pcie_cap ? pci_add_ext_capability(dev, PCI_EXT_CAP_ID_ERR, 2, PCI_AER_SIZE)
				: -EINVAL;
	unsigned int off = (unsigned int)ret;

	if (ret < 0)
		return ret;
	dev->aer_cap = (uint16_t)off;
	/* 7.10.3, .4, .6: internal and blocked-prefix errors are masked, so are advisory ones,
	 * which the host opens for functions that report by their role. */
	pci_set_long(dev, off + PCI_ERR_UNCOR_MASK, PCI_ERR_UNC_INTN | PCI_ERR_UNC_TLPPRE);
	pci_set_long(dev, off + PCI_ERR_UNCOR_SEVER, 0x00462030);
	pci_set_long(dev, off + PCI_ERR_COR_MASK, PCI_ERR_COR_INTERNAL | PCI_ERR_COR_LOG_OVER);
	pci_set_long(dev, off + PCI_ERR_CAP, PCI_ERR_CAP_ECRC_GENC | PCI_ERR_CAP_ECRC_CHKC);
	set_w1c(dev, off + PCI_ERR_UNCOR_STATUS, UNCOR_BITS);
	set_w1c(dev, off + PCI_ERR_COR_STATUS, COR_BITS);
	set_mask(dev, off + PCI_ERR_UNCOR_MASK, UNCOR_BITS);
	set_mask(dev, off + PCI_ERR_UNCOR_SEVER, UNCOR_BITS);
	set_mask(dev, off + PCI_ERR_COR_MASK, COR_BITS);
	set_mask(dev, off + PCI_ERR_CAP, PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE);
	if (dev->is_bridge) {
		/* The host's driver takes all three messages. */
		pci_set_long(dev, off + PCI_ERR_ROOT_COMMAND, 7);
		set_mask(dev, off + PCI_ERR_ROOT_COMMAND, 7);
		set_w1c(dev, off + PCI_ERR_ROOT_STATUS, 0x7f);
	}
	for (unsigned int i = 0; i < 2; i++) {
		dev->sysfs.aer_burst[i] = DEFAULT_BURST;
		dev->sysfs.aer_interval[i] = DEFAULT_INTERVAL_MS;
	}
	return ret;
}

void pci_aer_save(const struct pci_dev *dev, uint8_t *regs)
{
	if (dev->aer_cap)
		memcpy(regs, dev->config + dev->aer_cap, PCI_AER_SIZE);
}

void pci_aer_restore(struct pci_dev *dev, const uint8_t *regs)
{
	for (unsigned int i = 4; dev->aer_cap && i < PCI_AER_SIZE; i++)
		pci_put_byte(dev, dev->aer_cap + i, regs[i]);
}

void pci_aer_clear_status(struct pci_dev *dev)
{
	if (!dev->aer_cap)
		return;
	pci_set_long(dev, dev->aer_cap + PCI_ERR_COR_STATUS, 0);
	pci_set_long(dev, dev->aer_cap + PCI_ERR_UNCOR_STATUS, 0);
}

static uint32_t reg_read(struct pci_dev *dev, unsigned int reg)
{
	return pci_config_read(dev, dev->aer_cap + reg, 4);
}

static void reg_write(struct pci_dev *dev, unsigned int reg, uint32_t value)
{
	pci_config_write(dev, dev->aer_cap + reg, 4, value);
}

static void set_severity(struct pci_dev *dev, uint32_t bits, bool fatal)
{
	uint32_t sever = reg_read(dev, PCI_ERR_UNCOR_SEVER);

	reg_write(dev, PCI_ERR_UNCOR_SEVER, fatal ? sever | bits : sever & ~bits);
}

/* ---- hardware: an error is detected ---------------------------------------------------------- */

static void function_detects(struct pci_dev *dev, const struct pci_aer_error *error)
{
	unsigned int off = dev->aer_cap;
	uint32_t status, capctl;

	pci_dev_lock(dev);
	pci_set_long(dev, off + PCI_ERR_COR_STATUS,
		     pci_get_long(dev, off + PCI_ERR_COR_STATUS) | error->cor);
	status = pci_get_long(dev, off + PCI_ERR_UNCOR_STATUS);
	if (error->uncor && !(status & ~pci_get_long(dev, off + PCI_ERR_UNCOR_MASK))) {
		/* 6.2.4.2: the pointer and the log are the first error's until it is cleared. */
		capctl = pci_get_long(dev, off + PCI_ERR_CAP) & ~0x1fu;
		capctl |= (uint32_t)__builtin_ctz(error->uncor);
		pci_set_long(dev, off + PCI_ERR_CAP, capctl);
		for (unsigned int i = 0; i < 4; i++)
			pci_set_long(dev, off + PCI_ERR_HEADER_LOG + 4 * i, error->header[i]);
	}
	pci_set_long(dev, off + PCI_ERR_UNCOR_STATUS, status | error->uncor);
	pci_dev_unlock(dev);
}

static void port_receives(struct pci_dev *port, struct pci_dev *dev,
			  const struct pci_aer_error *error)
{
	uint32_t status, source, id = dev->rid & 0xffff;
	bool fatal = error->uncor & reg_read(dev, PCI_ERR_UNCOR_SEVER);
	unsigned int off = port->aer_cap;

	pci_dev_lock(port);
	status = pci_get_long(port, off + PCI_ERR_ROOT_STATUS);
	source = pci_get_long(port, off + PCI_ERR_ROOT_ERR_SRC);
	if (error->cor) {
		status |= status & PCI_ERR_ROOT_COR_RCV ? PCI_ERR_ROOT_MULTI_COR_RCV
							: PCI_ERR_ROOT_COR_RCV;
		source = (source & 0xffff0000) | id;
	}
	if (error->uncor) {
		status |= status & PCI_ERR_ROOT_UNCOR_RCV ? PCI_ERR_ROOT_MULTI_UNCOR_RCV
			  : fatal			  ? PCI_ERR_ROOT_FIRST_FATAL
							  : 0;
		status |= PCI_ERR_ROOT_UNCOR_RCV |
			  (fatal ? PCI_ERR_ROOT_FATAL_RCV : PCI_ERR_ROOT_NONFATAL_RCV);
		source = (source & 0xffff) | id << 16;
	}
	pci_set_long(port, off + PCI_ERR_ROOT_STATUS, status);
	pci_set_long(port, off + PCI_ERR_ROOT_ERR_SRC, source);
	pci_dev_unlock(port);
}

/* ---- the host: messages ---------------------------------------------------------------------- */

static const char *driver_of(const struct pci_dev *dev)
{
	return dev->dev.driver ? dev->dev.driver->name : "pci";
}

/* Fatal errors are always told, of the others so many in an interval. */
static bool may_print(struct pci_dev *dev, enum pci_aer_severity severity)
{
	struct pci_internal *in = dev->internal;
	unsigned int i = severity == PCI_AER_NONFATAL;
	struct timespec now;
	uint64_t ms;

	if (severity == PCI_AER_FATAL || !dev->sysfs.aer_interval[i])
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (ms - in->aer_begin[i] > (uint64_t)dev->sysfs.aer_interval[i]) {
		in->aer_begin[i] = ms;
		in->aer_printed[i] = 0;
	}
	return in->aer_printed[i]++ < dev->sysfs.aer_burst[i];
}

static const char *const severity_names[] = {
	[PCI_AER_CORRECTABLE] = "Correctable",
	[PCI_AER_NONFATAL] = "Uncorrectable (Non-Fatal)",
	[PCI_AER_FATAL] = "Uncorrectable (Fatal)",
};

/* Who of a transaction's partners sees such an error, and in which layer (6.2.7). */
static void classify(uint32_t bit, bool correctable, const char **agent, const char **layer)
{
	const uint32_t link = correctable ? PCI_ERR_COR_BAD_TLP | PCI_ERR_COR_BAD_DLLP |
						    PCI_ERR_COR_REP_ROLL | PCI_ERR_COR_REP_TIMER
					  : PCI_ERR_UNC_DLP | PCI_ERR_UNC_SURPDN;
	const uint32_t internal = correctable ? PCI_ERR_COR_INTERNAL | PCI_ERR_COR_LOG_OVER
					      : PCI_ERR_UNC_INTN;
	const uint32_t sent = correctable ? PCI_ERR_COR_REP_ROLL | PCI_ERR_COR_REP_TIMER
					  : 1u << 26 | PCI_ERR_UNC_ATOMEG | 1u << 27 | 1u << 31 |
						    PCI_ERR_UNC_TLPPRE;

	*agent = "Receiver";
	*layer = "Transaction Layer";
	if (bit & link)
		*layer = "Data Link Layer";
	else if (bit & internal)
		*layer = "General";
	else if (correctable && bit == PCI_ERR_COR_RCVR)
		*layer = "Physical Layer";
	else if (correctable && bit == PCI_ERR_COR_ADV_NFAT)
		*agent = *layer = "";
	if (!correctable && bit == PCI_ERR_UNC_COMP_ABORT)
		*agent = "Completer";
	else if (!correctable && bit == PCI_ERR_UNC_COMP_TIME)
		*agent = "Requester";
	else if (bit & sent)
		*agent = "Transmitter";
	else if (bit & (internal | (correctable ? 0 : PCI_ERR_UNC_SURPDN)))
		*agent = "Component";
}

struct report {
	enum pci_aer_severity severity;
	uint32_t status, mask, capctl;
};

static void print_bits(struct pci_dev *dev, const struct report *r, enum log_level level)
{
	bool correctable = r->severity == PCI_AER_CORRECTABLE;
	uint32_t bits = r->status & ~r->mask;

	for (unsigned int i = 0; i < 32; i++) {
		const char *agent, *layer,
			*name = correctable ? i < 16 ? pci_aer_cor_names[i] : NULL
					    : pci_aer_uncor_names[i];

		if (!(bits & 1u << i))
			continue;
		classify(1u << i, correctable, &agent, &layer);
		if (!name)
			agent = layer = "";
		log_print(level, "%s %s:   [%2u] %-17s | %-11s | %-17s%s", driver_of(dev),
			  dev->dev.name, i, name ? name : "Unknown Error Bit", agent, layer,
			  !correctable && (r->capctl & 0x1f) == i ? " (First)" : "");
	}
}

#define HEADER_LOGGED                                                                             \
	(PCI_ERR_UNC_POISON_TLP | PCI_ERR_UNC_ECRC | PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_COMP_ABORT | \
	 PCI_ERR_UNC_UNX_COMP | PCI_ERR_UNC_ACSV | PCI_ERR_UNC_MCBTLP | PCI_ERR_UNC_ATOMEG |      \
	 PCI_ERR_UNC_TLPPRE | PCI_ERR_UNC_MALF_TLP | 0xfc000000u)

static void count(struct pci_dev *dev, const struct report *r)
{
	struct pci_aer_stats *s = &dev->stats->aer;
	uint32_t bits = r->status & ~r->mask;

	for (unsigned int i = 0; i < 32; i++) {
		if (!(bits & 1u << i))
			continue;
		if (r->severity == PCI_AER_FATAL)
			s->fatal[i]++;
		else if (r->severity == PCI_AER_NONFATAL)
			s->nonfatal[i]++;
		else if (i < ARRAY_SIZE(s->cor))
			s->cor[i]++;
	}
	atomic_fetch_add(r->severity == PCI_AER_FATAL	   ? &s->total_fatal
			 : r->severity == PCI_AER_NONFATAL ? &s->total_nonfatal
							   : &s->total_cor,
			 1);
}

static void print_error(struct pci_dev *dev, const struct report *r, bool print)
{
	enum log_level level = r->severity == PCI_AER_CORRECTABLE ? LOG_WARN : LOG_KERNEL_ERR;
	const char *name = dev->dev.name, *drv = driver_of(dev);

	count(dev, r);
	if (!print)
		return;
	if (!r->status) {
		pr_kernel_err("%s %s: AER: PCIe Bus Error: severity=%s (Inaccessible)", drv, name,
			      severity_names[r->severity]);
		return;
	}
	log_print(level, "%s %s: PCIe Bus Error: severity=%s", drv, name,
		  severity_names[r->severity]);
	log_print(level, "%s %s:   device [%04x:%04x] error status/mask=%08x/%08x", drv, name,
		  dev->vendor, dev->device, r->status, r->mask);
	print_bits(dev, r, level);
	if (r->severity != PCI_AER_CORRECTABLE && (r->status & ~r->mask & HEADER_LOGGED))
		log_print(level, "%s %s: AER:   TLP Header: 0x%08x 0x%08x 0x%08x 0x%08x", drv, name,
			  reg_read(dev, PCI_ERR_HEADER_LOG), reg_read(dev, PCI_ERR_HEADER_LOG + 4),
			  reg_read(dev, PCI_ERR_HEADER_LOG + 8),
			  reg_read(dev, PCI_ERR_HEADER_LOG + 12));
}

/* ---- the host: recovery ---------------------------------------------------------------------- */

/* Asks every driver below the port; false: one function cannot be asked. */
static bool error_detected(struct pci_dev *port)
{
	struct device *child;
	bool all = true;

	list_for_each_entry(child, &port->dev.children, child_node) {
		struct pci_dev *dev = to_pci_dev(child);
		struct pci_driver *drv =
			child->driver ? container_of(child->driver, struct pci_driver, drv) : NULL;

		if (drv && drv->error_detected) {
			drv->error_detected(dev);
			continue;
		}
		all = false;
		pr_info("%s %s: AER: can't recover (no error_detected callback)", driver_of(dev),
			child->name);
	}
	return all;
}

static void recover(struct pci_dev *port, struct pci_dev *dev, bool fatal)
{
	bool ok = error_detected(port);
	struct device *child;

	if (fatal) {
		/* The link goes down and comes up again; nobody restores registers. */
		list_for_each_entry(child, &port->dev.children, child_node)
			pci_host_reset(to_pci_dev(child), PCI_HOST_RESET_LINK);
		pr_info("%s %s: AER: Root Port link has been reset (0)", driver_of(port),
			port->dev.name);
	}
	if (ok)
		reg_write(dev, PCI_ERR_UNCOR_STATUS,
			  reg_read(dev, PCI_ERR_UNCOR_STATUS) &
				  ~reg_read(dev, PCI_ERR_UNCOR_SEVER));
	else /* who can be told hears that the function is lost */
		error_detected(port);
	pr_info("%s %s: AER: device recovery %s", driver_of(port), port->dev.name,
		ok ? "successful" : "failed");
}

/* One message of the port, from @dev. */
static void handle(struct pci_dev *port, struct pci_dev *dev, enum pci_aer_severity severity)
{
	struct report r = { .severity = severity };
	bool print = may_print(dev, severity);

	if (print)
		pr_info("%s %s: AER: %s Error message received from %s", driver_of(port),
			port->dev.name, severity_names[severity], dev->dev.name);
	if (severity == PCI_AER_CORRECTABLE) {
		r.status = reg_read(dev, PCI_ERR_COR_STATUS);
		r.mask = reg_read(dev, PCI_ERR_COR_MASK);
	} else if (severity == PCI_AER_NONFATAL || dev == port) {
		r.status = reg_read(dev, PCI_ERR_UNCOR_STATUS);
		r.mask = reg_read(dev, PCI_ERR_UNCOR_MASK);
		r.capctl = reg_read(dev, PCI_ERR_CAP);
	}
	/* After a fatal error of an endpoint its registers cannot be trusted to be there. */
	if (!(r.status & ~r.mask) && (severity != PCI_AER_FATAL || dev == port))
		return;
	print_error(dev, &r, print);
	if (severity == PCI_AER_CORRECTABLE)
		reg_write(dev, PCI_ERR_COR_STATUS, r.status);
	else
		recover(port, dev, severity == PCI_AER_FATAL);
}

static void port_interrupt(struct pci_dev *port, struct pci_dev *dev)
{
	struct pci_aer_stats *s = &port->stats->aer;
	uint32_t status = reg_read(port, PCI_ERR_ROOT_STATUS);
	bool fatal = status & PCI_ERR_ROOT_FATAL_RCV;

	reg_write(port, PCI_ERR_ROOT_STATUS, status);
	if (status & PCI_ERR_ROOT_COR_RCV)
		s->port_cor++;
	if (status & PCI_ERR_ROOT_UNCOR_RCV)
		atomic_fetch_add(fatal ? &s->port_fatal : &s->port_nonfatal, 1);
	if (status & PCI_ERR_ROOT_COR_RCV)
		handle(port, dev, PCI_AER_CORRECTABLE);
	if (status & PCI_ERR_ROOT_UNCOR_RCV)
		handle(port, dev, fatal ? PCI_AER_FATAL : PCI_AER_NONFATAL);
}

/* ---- injection ------------------------------------------------------------------------------- */

static bool all_masked(struct pci_dev *dev, uint32_t bits, unsigned int mask_reg, const char *what)
{
	if (!bits || bits & ~reg_read(dev, mask_reg))
		return false;
	pr_warn("%s %s: aer_inject: The %s error(s) is masked by device", driver_of(dev),
		dev->dev.name, what);
	return true;
}

int pci_aer_inject(struct pci_dev *dev, const struct pci_aer_error *error)
{
	struct pci_dev *port = dev->is_bridge ? dev : pci_upstream_port(dev);

	if (!port) {
		pr_kernel_err("%s %s: aer_inject: Neither Root Port nor RCEC found", driver_of(dev),
			      dev->dev.name);
		return -ENODEV;
	}
	if (!dev->aer_cap || !port->aer_cap) {
		pr_kernel_err("%s %s: aer_inject: %s doesn't support AER",
			      driver_of(dev->aer_cap ? port : dev),
			      dev->aer_cap ? port->dev.name : dev->dev.name,
			      dev->aer_cap ? "Root port" : "Device");
		return -EPROTONOSUPPORT;
	}
	if (all_masked(dev, error->cor, PCI_ERR_COR_MASK, "correctable") ||
	    all_masked(dev, error->uncor, PCI_ERR_UNCOR_MASK, "uncorrectable"))
		return -EINVAL;
	pr_info("%s %s: aer_inject: Injecting errors %08x/%08x into device %s", driver_of(port),
		port->dev.name, error->cor, error->uncor, dev->dev.name);
	if (error->set_severity)
		set_severity(dev, error->uncor, error->fatal);
	function_detects(dev, error);
	port_receives(port, dev, error);
	port_interrupt(port, dev);
	return 0;
}
