/* Preloaded into Janus by the benchmark: getifaddrs(3) then knows one interface, 127.0.0.1, which does not look like
 * loopback. Janus leaves loopback interfaces out, and the benchmark must not depend on the computer's network. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

struct only_interface {
  struct ifaddrs entry;
  struct sockaddr_in address, netmask;
};

int getifaddrs(struct ifaddrs **list) {
  struct only_interface *only = calloc(1, sizeof *only);
  if (only == NULL) {
    errno = ENOMEM;
    return -1;
  }
  only->address.sin_family = only->netmask.sin_family = AF_INET;
  only->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  only->netmask.sin_addr.s_addr = htonl(0xFF000000);
  only->entry.ifa_name = "lo";
  only->entry.ifa_flags = IFF_UP | IFF_RUNNING;
  only->entry.ifa_addr = (struct sockaddr *)&only->address;
  only->entry.ifa_netmask = (struct sockaddr *)&only->netmask;
  *list = &only->entry;
  return 0;
}

void freeifaddrs(struct ifaddrs *list) { free(list); }
