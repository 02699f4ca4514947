// Local sockets: streams, datagrams, packets, messages with descriptors and credentials.
#include "sys.h"
#include <sys/socket.h>
#include <sys/un.h>

static void pairs(void) {
  int s[2];
  char buf[32] = "";
  R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
  R(fcntl(s[0], F_GETFD));
  IS(fcntl(s[0], F_GETFL) & O_NONBLOCK);
  R(recv(s[0], buf, 32, 0));
  R(send(s[1], "stream", 6, 0));
  R(recv(s[0], buf, 3, MSG_PEEK));
  R(recv(s[0], buf, 32, 0));
  R(shutdown(s[1], SHUT_WR));
  R(recv(s[0], buf, 32, 0));
  R(send(s[1], "x", 1, MSG_NOSIGNAL));
  R(shutdown(s[0], 77));
  close(s[1]);
  R(send(s[0], "x", 1, MSG_NOSIGNAL));
  R(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
  R(send(s[0], "long packet", 11, 0));
  R(recv(s[1], buf, 4, MSG_TRUNC));
  R(recv(s[1], buf, 4, MSG_DONTWAIT));
  R(socketpair(AF_INET, SOCK_STREAM, 0, s));
  R(socketpair(AF_UNIX, 77, 0, s));
  R(socketpair(99, SOCK_STREAM, 0, s));
  R(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, BAD));
  R(socket(AF_UNIX, SOCK_STREAM | 0x40000000, 0));
  R(socket(AF_UNIX, SOCK_STREAM, 99));
}

static socklen_t name(struct sockaddr_un *a, const char *path) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  memcpy(a->sun_path, path, strlen(path) + 1);
  return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

static void named(void) {
  struct sockaddr_un a, b;
  socklen_t n = name(&a, "socket"), m;
  int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s, opt;
  R(connect(c, (void *)&a, n));
  R(bind(l, (void *)&a, n));
  R(bind(l, (void *)&a, n));
  R(bind(c, (void *)&a, n));
  R(connect(c, (void *)&a, n));
  R(listen(l, 1));
  R(connect(c, (void *)&a, n));
  m = sizeof opt;
  R(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &opt, &m));
  R(opt);
  m = sizeof b;
  R(accept4(l, (void *)&b, &m, SOCK_CLOEXEC) == (s = c + 1));
  R(m);
  R(fcntl(s, F_GETFD));
  m = sizeof b;
  R(getsockname(s, (void *)&b, &m));
  printf("%u %s\n", m, b.sun_path);
  m = 5;
  memset(&b, '#', sizeof b);
  R(getpeername(c, (void *)&b, &m));
  printf("%u %.4s\n", m, b.sun_path);
  m = sizeof b;
  R(getpeername(l, (void *)&b, &m));
  R(syscall(SYS_getsockname, s, BAD, &m));
  R(syscall(SYS_getsockname, s, &b, BAD));
  m = -1;
  R(getsockname(s, (void *)&b, &m));
  struct ucred u;
  m = sizeof u;
  R(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &m));
  IS(u.pid == getpid() && u.uid == getuid() && u.gid == getgid());
  R(getsockopt(s, SOL_SOCKET, 999, &u, &m));
  R(getsockopt(s, 999, 1, &u, &m));
  R(getsockopt(0, SOL_SOCKET, SO_TYPE, &opt, &m));
  R(getsockopt(-1, SOL_SOCKET, SO_TYPE, &opt, &m));
  R(accept4(l, NULL, NULL, 0x40000000));
  fcntl(l, F_SETFL, O_NONBLOCK);
  R(accept(l, NULL, NULL));
  R(accept(c, NULL, NULL));
  R(accept(0, NULL, NULL));
  R(listen(0, 1));
  // An abstract name, with its leading zero and exact length.
  char abstract[32];
  snprintf(abstract, sizeof abstract, "rf-sys-%d", getpid());
  memset(&a, 0, sizeof a);
  a.sun_family = AF_UNIX;
  strcpy(a.sun_path + 1, abstract);
  n = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract);
  int d = socket(AF_UNIX, SOCK_DGRAM, 0), e = socket(AF_UNIX, SOCK_DGRAM, 0);
  R(bind(d, (void *)&a, n));
  m = sizeof b;
  IS(getsockname(d, (void *)&b, &m) == 0 && m == n && memcmp(&a, &b, n) == 0);
  R(sendto(e, "datagram", 8, 0, (void *)&a, n));
  char buf[16];
  m = sizeof b;
  R(recvfrom(d, buf, 4, 0, (void *)&b, &m));
  R(m);
  // The kernel finds a name for who has none.
  R(bind(e, (void *)&a, sizeof(sa_family_t)));
  m = sizeof b;
  IS(getsockname(e, (void *)&b, &m) == 0 && m == sizeof(sa_family_t) + 6 && b.sun_path[0] == 0);
  R(sendto(e, "x", 1, 0, NULL, 0));
  R(sendto(e, "x", 1, 0, BAD, n));
  R(bind(e, (void *)&a, 1));
  R(bind(e, (void *)&a, 200));
}

union control {
  char buf[256];
  struct cmsghdr align;
};

static ssize_t send_fds(int s, const int *fds, int n) {
  union control c = {0};
  struct iovec v = {"fd", 2};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(n * sizeof(int));
  memcpy(CMSG_DATA(h), fds, n * sizeof(int));
  return sendmsg(s, &m, 0);
}

static void receive(int s, size_t room, int flags) {
  union control c;
  char buf[16] = "";
  struct sockaddr_un a;
  struct iovec v = {buf, sizeof buf - 1};
  struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = room};
  ssize_t n = recvmsg(s, &m, flags);
  printf("recvmsg %zd \"%s\" flags %x name %u control %zu\n", n, buf, m.msg_flags, m.msg_namelen, (size_t)m.msg_controllen);
  if (n < 0) puts(err());
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); n >= 0 && h; h = CMSG_NXTHDR(&m, h)) {
    printf("  level %d type %d len %zu", h->cmsg_level, h->cmsg_type, (size_t)h->cmsg_len);
    if (h->cmsg_type == SCM_RIGHTS)
      for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
        int fd = ((int *)CMSG_DATA(h))[i];
        printf(" fd flags %d at %ld", fcntl(fd, F_GETFD), (long)lseek(fd, 0, SEEK_CUR));
        close(fd);
      }
    if (h->cmsg_type == SCM_CREDENTIALS) {
      struct ucred *u = (void *)CMSG_DATA(h);
      printf(" %s", u->pid == getpid() && u->uid == getuid() ? "me" : "?");
    }
    puts("");
  }
}

static void messages(void) {
  int s[2], f = open("f", O_RDWR | O_CREAT, 0600), on = 1;
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  write(f, "12345", 5);
  int fds[3] = {f, f, s[0]}, wrong[1] = {-1};
  R(send_fds(s[0], fds, 2));
  receive(s[1], 256, MSG_CMSG_CLOEXEC);
  R(send_fds(s[0], fds, 3));
  receive(s[1], CMSG_LEN(sizeof(int)), 0);
  R(send_fds(s[0], wrong, 1));
  R(send_fds(s[0], fds, 1));
  receive(s[1], 0, 0);
  R(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  R(send(s[0], "creds", 5, 0));
  receive(s[1], 256, 0);
  R(setsockopt(s[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
  receive(s[1], 256, MSG_DONTWAIT);
  struct msghdr m = {.msg_iov = BAD, .msg_iovlen = 1};
  R(sendmsg(s[0], &m, 0));
  m.msg_iovlen = 2000;
  R(sendmsg(s[0], &m, 0));
  R(syscall(SYS_sendmsg, s[0], BAD, 0));
  R(syscall(SYS_recvmsg, s[0], BAD, MSG_DONTWAIT));
  R(sendmsg(f, &m, 0));
}

static void batches(void) {
  int s[2];
  char a[8] = "", b[8] = "";
  socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
  struct iovec v[] = {{"one", 3}, {"three", 5}}, w[] = {{a, 8}, {b, 4}};
  struct mmsghdr out[] = {{{.msg_iov = v, .msg_iovlen = 1}, 0}, {{.msg_iov = v + 1, .msg_iovlen = 1}, 0}};
  struct mmsghdr in[] = {{{.msg_iov = w, .msg_iovlen = 1}, 0}, {{.msg_iov = w + 1, .msg_iovlen = 1}, 0}, {{.msg_iov = w, .msg_iovlen = 1}, 0}};
  struct timespec t = {0, 1000000}, wrong = {0, -1};
  R(sendmmsg(s[0], out, 2, 0));
  printf("%u %u\n", out[0].msg_len, out[1].msg_len);
  R(recvmmsg(s[1], in, 2, MSG_WAITFORONE, NULL));
  printf("%u %s %u %.4s %x\n", in[0].msg_len, a, in[1].msg_len, b, in[1].msg_hdr.msg_flags);
  R(recvmmsg(s[1], in, 3, MSG_DONTWAIT, &t));
  R(recvmmsg(s[1], in, 3, 0, &wrong));
  R(sendmmsg(-1, out, 2, 0));
  R(syscall(SYS_sendmmsg, s[0], BAD, 1, 0));
}

int main(void) {
  enter();
  pairs();
  named();
  messages();
  batches();
}
