/*
 * What others change of the host's network, by netlink(7): links, addresses and routes (rtnetlink(7)), and nftables. One callback for each
 * thing that may concern us; who gets it looks for itself. Our own changes are told as well.
 */
#define _GNU_SOURCE
#include "watch.h"
#include "loop.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES 32768
#define AT_ONCE 16

static watch_told told;
static struct source routing, tables;

/* A text attribute of a message, "" where it has none. */
static const char *text_of(const struct nlmsghdr *h, size_t fixed, unsigned type)
{
	size_t left = h->nlmsg_len - NLMSG_LENGTH(0);
	if (left < NLMSG_ALIGN(fixed))
		return "";
	left -= NLMSG_ALIGN(fixed);
	for (const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed)); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == type && RTA_PAYLOAD(a) > 0 && ((const char *)RTA_DATA(a))[RTA_PAYLOAD(a) - 1] == 0)
			return RTA_DATA(a);
	return "";
}

static void on_routing(const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = NLMSG_DATA(h);
	const struct ifaddrmsg *address = NLMSG_DATA(h);
	const struct rtmsg *route = NLMSG_DATA(h);
	size_t size = h->nlmsg_len - NLMSG_LENGTH(0);
	char name[IFNAMSIZ];
	switch (h->nlmsg_type) {
	case RTM_DELLINK:
	case RTM_NEWLINK:
		if (size >= sizeof *link && (h->nlmsg_type == RTM_DELLINK || !(link->ifi_flags & IFF_UP)))
			told(WATCH_LINK, text_of(h, sizeof *link, IFLA_IFNAME));
		return;
	case RTM_DELADDR:
		if (size >= sizeof *address && if_indextoname(address->ifa_index, name))
			told(WATCH_LINK, name);
		return;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (size >= sizeof *route && route->rtm_type == RTN_UNICAST && route->rtm_table == RT_TABLE_MAIN)
			told(WATCH_ROUTE, "");
		return;
	}
}

static void on_tables(const struct nlmsghdr *h)
{
	int kind = h->nlmsg_type & 0xff;
	/* The first attribute of each names the table. */
	if (h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
	    (kind == NFT_MSG_DELTABLE || kind == NFT_MSG_DELCHAIN || kind == NFT_MSG_DELRULE || kind == NFT_MSG_DELSET))
		told(WATCH_TABLE, text_of(h, sizeof(struct nfgenmsg), NFTA_TABLE_NAME));
}

static void ready(struct source *s, uint32_t events)
{
	static char bytes[BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	(void)events;
	for (int i = 0; i < AT_ONCE; i++) {
		ssize_t n = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (n < 0) {
			/* Anything may have been lost (ENOBUFS). */
			if (errno == ENOBUFS)
				told(WATCH_ALL, "");
			return;
		}
		unsigned left = n;
		for (const struct nlmsghdr *h = (const void *)bytes; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			(s == &routing ? on_routing : on_tables)(h);
	}
}

static bool join_groups(struct source *s, int protocol, const int *groups, size_t count)
{
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	s->ready = ready;
	struct sockaddr_nl at = { .nl_family = AF_NETLINK };
	bool ok = s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, sizeof at) == 0;
	for (size_t i = 0; ok && i < count; i++)
		ok = setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i]) == 0;
	if (ok && loop_want(s, EPOLLIN))
		return true;
	if (s->fd >= 0)
		close(s->fd);
	return false;
}

bool watch_begin(watch_told callback)
{
	static const int routes[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };
	static const int rules[] = { NFNLGRP_NFTABLES };
	told = callback;
	bool ok = join_groups(&routing, NETLINK_ROUTE, routes, sizeof routes / sizeof *routes);
	return join_groups(&tables, NETLINK_NETFILTER, rules, 1) && ok;
}
