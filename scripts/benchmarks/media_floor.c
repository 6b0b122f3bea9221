/* What a viewer costs at least: libsrtp's AES-128-GCM and one UDP send with segmentation
   offload for each picture, at a camera's pace.

   floor VIEWERS PICTURES_PER_SECOND PACKETS_PER_PICTURE SECONDS

   prints the CPU of the sending thread for one viewer, in percent of a core. The viewers'
   sockets belong to threads of another process, which sleep between the pictures. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { PAYLOAD = 1180, HEADER = 12, ROOM = 1280, MOST = 44 };

static void check(int good, const char *what) {
  if (!good) {
    perror(what);
    exit(1);
  }
}

static double spent(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void *drain(void *socket) {
  char data[2 * ROOM];
  while (recv(*(int *)socket, data, sizeof data, 0) >= 0) {
  }
  return NULL;
}

static srtp_t session(void) {
  static unsigned char key[64];
  srtp_policy_t policy = {0};
  srtp_t made;
  srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
  srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
  policy.ssrc.type = ssrc_any_outbound;
  policy.key = key;
  policy.window_size = 1024;
  check(srtp_create(&made, &policy) == srtp_err_status_ok, "srtp_create");
  return made;
}

static void send_all(int from, struct sockaddr_in *to, unsigned char *data, size_t size,
                     int segment) {
  char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
  struct iovec part = {data, size};
  struct msghdr message = {.msg_name = to,
                           .msg_namelen = sizeof *to,
                           .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
  struct cmsghdr *option = CMSG_FIRSTHDR(&message);
  option->cmsg_level = IPPROTO_UDP;
  option->cmsg_type = UDP_SEGMENT;
  option->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  uint16_t length = segment;
  memcpy(CMSG_DATA(option), &length, sizeof length);
  check(sendmsg(from, &message, 0) >= 0, "sendmsg");
}

int main(int count, char **argument) {
  check(count == 5, "usage: floor VIEWERS PICTURES_PER_SECOND PACKETS SECONDS");
  int viewers = atoi(argument[1]), rate = atoi(argument[2]), packets = atoi(argument[3]);
  int seconds = atoi(argument[4]);
  check(viewers > 0 && rate > 0 && packets > 0 && packets <= MOST, "bounds");
  check(srtp_init() == srtp_err_status_ok, "srtp_init");

  struct sockaddr_in *address = calloc(viewers, sizeof *address);
  srtp_t *sessions = calloc(viewers, sizeof *sessions);
  int *sockets = calloc(viewers, sizeof *sockets);
  for (int viewer = 0; viewer < viewers; viewer++) {
    socklen_t size = sizeof *address;
    address[viewer].sin_family = AF_INET;
    address[viewer].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockets[viewer] = socket(AF_INET, SOCK_DGRAM, 0);
    check(!bind(sockets[viewer], (void *)&address[viewer], size), "bind");
    check(!getsockname(sockets[viewer], (void *)&address[viewer], &size), "getsockname");
    sessions[viewer] = session();
  }
  pid_t child = fork();
  check(child >= 0, "fork");
  if (!child) {
    pthread_t thread;
    for (int viewer = 0; viewer < viewers; viewer++)
      pthread_create(&thread, NULL, drain, &sockets[viewer]);
    for (;;) pause();
  }

  static unsigned char picture[MOST * ROOM], plain[HEADER + PAYLOAD];
  int from = socket(AF_INET, SOCK_DGRAM, 0);
  uint16_t number = 0;
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  double before = spent();
  for (int turn = 0; turn < rate * seconds; turn++, number += packets) {
    for (int viewer = 0; viewer < viewers; viewer++) {
      unsigned char *end = picture;
      int size = 0;
      for (int packet = 0; packet < packets; packet++, end += size) {
        uint16_t sequence = htons(number + packet);
        size = sizeof plain;
        memcpy(end, plain, sizeof plain);
        end[0] = 0x80;
        end[1] = 102;
        memcpy(end + 2, &sequence, sizeof sequence);
        check(srtp_protect(sessions[viewer], end, &size) == srtp_err_status_ok,
              "srtp_protect");
      }
      send_all(from, &address[viewer], picture, end - picture, size);
    }
    due.tv_nsec += 1000000000 / rate;
    if (due.tv_nsec >= 1000000000) {
      due.tv_nsec -= 1000000000;
      due.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
  }
  printf("%.4f\n", (spent() - before) / seconds / viewers * 100);
  kill(child, SIGKILL);
  return 0;
}
