/* Tells what changes of the host's network. */
#ifndef BERTH_WATCH_H
#define BERTH_WATCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

enum watched {
	WATCH_ALL,   /* messages were lost: all may have changed */
	WATCH_LINK,  /* a link is gone or down, or has lost an address: its name */
	WATCH_ROUTE, /* a route came or went */
	WATCH_TABLE, /* something of an nftables table is gone: the table's name */
};

typedef void (*watch_told)(enum watched what, const char *name);

/* Begins; the callback is called from the event loop. False where the kernel has not all of it. */
bool watch_begin(watch_told callback);

#endif
