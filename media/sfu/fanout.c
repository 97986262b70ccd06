/* Sends one RTP packet to many receivers, each with its own numbers, SSRC, MID, SRTP session and socket.
   libsrtp is the one inside pylibsrtp: its function and sessions come as pointers, so nothing is linked. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CAPACITY 2048 /* more than a datagram and the longest SRTP trailer (144 bytes) */
#define MID_BYTES 3

struct target {
    void *session;
    int socket;
    unsigned int address_bytes;
    unsigned char address[28];
    unsigned int ssrc;
    unsigned int timestamp_offset;
    unsigned short sequence_offset;
    unsigned char mid[4];
};

typedef int (*protect_function)(void *session, void *packet, int *size);

static void put16(unsigned char *at, unsigned int value) {
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, unsigned int value) {
    put16(at, value >> 16);
    put16(at + 2, value);
}

/* Returns how many receivers were missed; failures[0..2]: by encryption, by full socket buffers, by other errors. */
int fan_out(const struct target *targets, int count, const unsigned char *packet, int size, int mid_at,
            unsigned int sequence, unsigned int timestamp, void *protect, int *failures) {
    uint64_t aligned[CAPACITY / sizeof(uint64_t)];
    unsigned char *out = (unsigned char *)aligned;
    failures[0] = failures[1] = failures[2] = 0;
    if (size < 12 || size > CAPACITY - 144 || mid_at > size - MID_BYTES) {
        failures[0] = count;
        return count;
    }
    for (int i = 0; i < count; i++) {
        const struct target *to = &targets[i];
        struct sockaddr_storage address;
        int length = size;
        memcpy(out, packet, (size_t)size);
        put16(out + 2, (sequence + to->sequence_offset) & 0xFFFF);
        put32(out + 4, timestamp + to->timestamp_offset);
        put32(out + 8, to->ssrc);
        if (mid_at)
            memcpy(out + mid_at, to->mid, MID_BYTES);
        if (((protect_function)protect)(to->session, out, &length)) {
            failures[0]++;
            continue;
        }
        memcpy(&address, to->address, sizeof to->address);
        if (sendto(to->socket, out, (size_t)length, 0, (struct sockaddr *)&address, to->address_bytes) < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                failures[1]++;
            else
                failures[2]++;
        }
    }
    return failures[0] + failures[1] + failures[2];
}
