// Internet sockets over the loopback interface, options, filters, netlink.
#include "sys.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct sockaddr_in local(int fd) {
  struct sockaddr_in a = {0};
  socklen_t n = sizeof a;
  getsockname(fd, (void *)&a, &n);
  return a;
}

static int bound(int type) {
  int fd = socket(AF_INET, type, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bind(fd, (void *)&a, sizeof a);
  return fd;
}

static void streams(void) {
  int l = bound(SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM, 0), s, v;
  struct sockaddr_in a = local(l), b;
  socklen_t n = sizeof b;
  char buf[64];
  IS(a.sin_family == AF_INET && a.sin_port != 0 && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  R(connect(c, (void *)&a, sizeof a));
  R(listen(l, 5));
  R(connect(c, (void *)&a, sizeof a));
  R(connect(c, (void *)&a, sizeof a));
  s = accept4(l, (void *)&b, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
  R(n);
  IS(b.sin_port == local(c).sin_port);
  R(fcntl(s, F_GETFD));
  IS(fcntl(s, F_GETFL) & O_NONBLOCK);
  R(recv(s, buf, 64, 0));
  R(send(c, "hello", 5, MSG_MORE));
  R(send(c, " world", 6, 0));
  R(recv(s, buf, 11, MSG_WAITALL | MSG_PEEK));
  R(recv(s, buf, 64, 0));
  R(send(c, "!", 1, MSG_OOB));
  struct pollfd p = {s, POLLPRI, 0};
  R(poll(&p, 1, 5000));
  R(recv(s, buf, 1, MSG_OOB));
  R(ioctl(s, SIOCATMARK, &v));
  R(v);
  R(shutdown(c, SHUT_WR));
  p.events = POLLIN;
  R(poll(&p, 1, 5000));
  R(recv(s, buf, 64, 0));
  struct linger li = {1, 0};
  R(setsockopt(s, SOL_SOCKET, SO_LINGER, &li, sizeof li));
  close(s);
  R(recv(c, buf, 64, 0));
  n = sizeof v;
  R(getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &n));
  R(v);
  // Not yet connected, refused.
  int dead = bound(SOCK_STREAM), nb = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  a = local(dead);
  close(dead);
  int r = connect(nb, (void *)&a, sizeof a);
  IS(r == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
  p = (struct pollfd){nb, POLLOUT, 0};
  R(poll(&p, 1, 5000));
  R(send(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_NOSIGNAL));
  R(recv(socket(AF_INET, SOCK_STREAM, 0), buf, 1, 0));
  R(getpeername(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, &n));
}

static void datagrams(void) {
  int a = bound(SOCK_DGRAM), b = bound(SOCK_DGRAM);
  struct sockaddr_in to = local(a), from;
  socklen_t n = sizeof from;
  char buf[16];
  R(sendto(b, "datagram", 8, 0, (void *)&to, sizeof to));
  R(recvfrom(a, buf, 4, MSG_TRUNC, (void *)&from, &n));
  IS(n == sizeof from && from.sin_port == local(b).sin_port);
  R(send(b, "x", 1, 0));
  R(connect(b, (void *)&to, sizeof to));
  R(send(b, "x", 1, 0));
  R(recv(a, buf, 16, 0));
  R(recv(a, buf, 16, MSG_DONTWAIT));
  struct timeval t = {0, 20000}, back;
  R(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  n = sizeof back;
  R(getsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &back, &n));
  IS(n == sizeof back && back.tv_sec == 0 && back.tv_usec >= 20000 && back.tv_usec < 30000);
  double s = now();
  R(recv(a, buf, 16, 0));
  IS(now() - s >= 0.019);
  R(sendto(b, buf, 16, 0, (void *)&to, 4));
  to.sin_family = 99;
  R(sendto(a, buf, 16, 0, (void *)&to, sizeof to));
  static char big[70000];
  R(send(b, big, sizeof big, 0));
  // Where it arrived, as a control message.
  int on = 1;
  R(setsockopt(a, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
  R(send(b, "info", 4, 0));
  char control[128];
  struct iovec v = {buf, 16};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  R(recvmsg(a, &m, 0));
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  IS(h && h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO && ((struct in_pktinfo *)CMSG_DATA(h))->ipi_addr.s_addr == htonl(INADDR_LOOPBACK));
}

static void options(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), v, on = 1;
  struct { const char *name; int level, opt; } t[] = {
      {"SO_TYPE", SOL_SOCKET, SO_TYPE}, {"SO_DOMAIN", SOL_SOCKET, SO_DOMAIN}, {"SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL}, {"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR},
      {"SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT}, {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE}, {"SO_BROADCAST", SOL_SOCKET, SO_BROADCAST},
      {"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE}, {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY}, {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE}, {"IP_TTL", IPPROTO_IP, IP_TTL}};
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    socklen_t n = sizeof v;
    v = -1;
    int r = getsockopt(fd, t[i].level, t[i].opt, &v, &n);
    printf("%s %d %d %u\n", t[i].name, r, v, n);
  }
  R(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  R(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  R(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, 1));
  R(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, BAD, sizeof on));
  R(setsockopt(fd, SOL_SOCKET, 999, &on, sizeof on));
  R(setsockopt(fd, 999, 1, &on, sizeof on));
  struct tcp_info ti;
  socklen_t n = sizeof ti;
  R(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &n));
  R(ti.tcpi_state);
  n = 2;
  char small[4] = "##";
  R(getsockopt(fd, SOL_SOCKET, SO_TYPE, small, &n));
  printf("%u %d\n", n, small[0]);
  R(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
  R(socket(AF_INET, 77, 0));
  R(socket(99, SOCK_STREAM, 0));
  R(bind(fd, BAD, 16));
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x01020304)};
  R(bind(fd, (void *)&a, sizeof a));
  R(bind(fd, (void *)&a, 3));
}

static void filters(void) {
  int a = bound(SOCK_DGRAM), b = bound(SOCK_DGRAM);
  struct sockaddr_in to = local(a);
  char buf[16];
  // Only datagrams whose first byte (behind the UDP header) is 'y'.
  struct sock_filter code[] = {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 8}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 'y'}, {BPF_RET | BPF_K, 0, 0, ~0u}, {BPF_RET | BPF_K, 0, 0, 0}};
  struct sock_fprog prog = {4, code};
  R(setsockopt(a, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
  R(sendto(b, "no", 2, 0, (void *)&to, sizeof to));
  R(sendto(b, "yes", 3, 0, (void *)&to, sizeof to));
  R(recv(a, buf, 16, 0));
  R(recv(a, buf, 16, MSG_DONTWAIT));
  R(setsockopt(a, SOL_SOCKET, SO_DETACH_FILTER, &prog, sizeof prog));
  code[0].code = 0xffff;
  R(setsockopt(a, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
}

static void interfaces(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), n = 0;
  struct ifreq r = {.ifr_name = "lo"};
  R(ioctl(fd, SIOCGIFINDEX, &r));
  R(r.ifr_ifindex);
  R(ioctl(fd, SIOCGIFFLAGS, &r));
  IS(r.ifr_flags & IFF_LOOPBACK);
  R(ioctl(fd, SIOCGIFADDR, &r));
  puts(inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
  R(ioctl(fd, SIOCGIFMTU, &r));
  R(r.ifr_mtu);
  strcpy(r.ifr_name, "nothing0");
  R(ioctl(fd, SIOCGIFINDEX, &r));
  struct ifreq all[32];
  struct ifconf c = {.ifc_len = sizeof all, .ifc_req = all};
  R(ioctl(fd, SIOCGIFCONF, &c));
  for (size_t i = 0; i < c.ifc_len / sizeof *all; i++) n += strcmp(all[i].ifr_name, "lo") == 0;
  R(n);
  R(ioctl(fd, SIOCINQ, &n));
  R(n);
}

static void netlink(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), found = 0, done = 0;
  struct sockaddr_nl a = {.nl_family = AF_NETLINK}, b;
  socklen_t n = sizeof b;
  R(bind(fd, (void *)&a, sizeof a));
  IS(getsockname(fd, (void *)&b, &n) == 0 && b.nl_family == AF_NETLINK && b.nl_pid != 0);
  struct { struct nlmsghdr h; struct ifinfomsg i; } q = {{sizeof q, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {.ifi_family = AF_UNSPEC}};
  R(send(fd, &q, sizeof q, 0));
  while (!done) {
    _Alignas(8) static char buf[65536];
    unsigned len = recv(fd, buf, sizeof buf, 0);
    if ((int)len <= 0) break;
    for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
      if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) done = h->nlmsg_type;
      if (h->nlmsg_type != RTM_NEWLINK) continue;
      struct ifinfomsg *i = NLMSG_DATA(h);
      unsigned rest = h->nlmsg_len - NLMSG_LENGTH(sizeof *i);
      for (struct rtattr *t = (void *)(i + 1); RTA_OK(t, rest); t = RTA_NEXT(t, rest))
        if (t->rta_type == IFLA_IFNAME && strcmp(RTA_DATA(t), "lo") == 0) found = i->ifi_index;
    }
  }
  printf("done %d lo %d\n", done, found);
}

static void six(void) {
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0) {
    puts("no IPv6");
    return;
  }
  struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  socklen_t n = sizeof a;
  if (bind(fd, (void *)&a, n)) {
    puts("no ::1");
    return;
  }
  R(getsockname(fd, (void *)&a, &n));
  R(sendto(fd, "six", 3, 0, (void *)&a, n));
  char buf[8];
  R(recv(fd, buf, 8, 0));
}

int main(void) {
  enter();
  streams();
  datagrams();
  options();
  filters();
  interfaces();
  netlink();
  six();
}
