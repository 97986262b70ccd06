/* What most packets of a relay need, without Python: read, decrypt, count, keep, send to every receiver and tap.

   Only packets that come in order on a stream whose receivers have all begun are handled here; everything else is left
   to Python, in the order in which it came. What is counted here is what media/sfu/reception.py and source.py count,
   in the same fields. libsrtp is the one inside pylibsrtp: its functions and sessions come as pointers, so nothing is
   linked. One thread. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "fast_path.h"

#define TRAILER 144 /* the longest that SRTP adds (SRTP_MAX_TRAILER_LEN) */
#define CAPACITY 2048
#define HEADER_BYTES 12

typedef int (*srtp_function)(void *session, void *packet, int *size);

static srtp_function protect, unprotect;

void use_srtp(void *protect_function, void *unprotect_function) {
    protect = (srtp_function)protect_function;
    unprotect = (srtp_function)unprotect_function;
}

int shared_bytes(void) {
    return (int)(sizeof(struct stream) + sizeof(struct kept) + sizeof(struct target) + sizeof(struct outgoing) +
                 sizeof(struct tap) + sizeof(struct door) + sizeof(struct left));
}

static unsigned get16(const unsigned char *at) { return (unsigned)at[0] << 8 | at[1]; }

static unsigned get32(const unsigned char *at) { return get16(at) << 16 | get16(at + 2); }

static void put16(unsigned char *at, unsigned value) {
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, unsigned value) {
    put16(at, value >> 16);
    put16(at + 2, value);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Sending */

/* Returns 0, 1 when the socket's buffer is full, 2 when it cannot be sent at all. */
static int outcome(ssize_t sent) {
    if (sent >= 0)
        return 0;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : 2;
}

static int send_to(int socket, const void *data, size_t size, const unsigned char *address, unsigned bytes) {
    struct sockaddr_storage to; /* aligned as the kernel's own */
    memcpy(&to, address, bytes);
    return outcome(sendto(socket, data, size, 0, bytes ? (struct sockaddr *)&to : NULL, bytes));
}

#ifdef UDP_SEGMENT
/* Whether the kernel makes datagrams of what it is given (Linux 4.18); an older one would send it as a single one. */
static int knows_segments(int socket) {
    static int answer = -1;
    if (answer < 0) {
        int value;
        socklen_t bytes = sizeof value;
        answer = getsockopt(socket, IPPROTO_UDP, UDP_SEGMENT, &value, &bytes) == 0;
    }
    return answer;
}

/* Sends each part as a datagram, in one call. All are as long as the first, but the last may be shorter. */
static int send_together(const struct target *to, struct iovec *parts, int count) {
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr aligned;
    } control = {{0}};
    struct sockaddr_storage address;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    uint16_t segment = (uint16_t)parts[0].iov_len;
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(header), &segment, sizeof segment);
    if (to->address_bytes) {
        memcpy(&address, to->address, to->address_bytes);
        message.msg_name = &address;
        message.msg_namelen = to->address_bytes;
    }
    return outcome(sendmsg(to->socket, &message, 0));
}
#else
static int knows_segments(int socket) { return (void)socket, 0; }

static int send_together(const struct target *to, struct iovec *parts, int count) {
    return (void)to, (void)parts, (void)count, 2;
}
#endif

/* Returns how many of the parts, which are as send_together() wants them, could not be sent. */
static int send_parts(const struct target *to, struct iovec *parts, int count, int *failures) {
    int missed = 0;
    if (count > 1 && knows_segments(to->socket)) {
        int failed = send_together(to, parts, count);
        if (failed == 1)
            failures[SEND_BUFFER_FULL] += count;
        if (failed < 2)
            return failed * count;
    }
    for (int i = 0; i < count; i++) { /* one by one, also where the network device cannot do it */
        int failed = send_to(to->socket, parts[i].iov_base, parts[i].iov_len, to->address, to->address_bytes);
        if (failed) {
            failures[failed == 1 ? SEND_BUFFER_FULL : SEND_FAILED]++;
            missed++;
        }
    }
    return missed;
}

/* Writes a packet as `to` gets it and returns its size; 0: it cannot be encrypted. */
static size_t write_for(const struct target *to, const struct outgoing *one, unsigned char *out) {
    int size = one->size;
    if (size < HEADER_BYTES || size > CAPACITY - TRAILER || one->mid_at > size - MID_BYTES)
        return 0;
    memcpy(out, one->packet, (size_t)size);
    put16(out + 2, (one->sequence + to->sequence_offset) & 0xFFFF);
    put32(out + 4, one->timestamp + to->timestamp_offset);
    put32(out + 8, to->ssrc);
    if (one->mid_at)
        memcpy(out + one->mid_at, to->mid, MID_BYTES);
    return protect(to->session, out, &size) ? 0 : (size_t)size;
}

int fan_out(const struct target *targets, int count, const struct outgoing *packets, int packet_count, int *failures) {
    static unsigned char written[MAX_TOGETHER][CAPACITY] __attribute__((aligned(8)));
    int missed = 0;
    for (int i = 0; i < count; i++) {
        struct iovec parts[MAX_TOGETHER];
        int first = 0, end = 0; /* what is still to be sent of `parts` */
        for (int k = 0; k < packet_count; k++) {
            size_t size = write_for(&targets[i], &packets[k], written[k]);
            if (size == 0) {
                failures[PROTECT_FAILED]++;
                missed++;
                continue;
            }
            if (end > first && (size > parts[first].iov_len || parts[end - 1].iov_len < parts[first].iov_len)) {
                missed += send_parts(&targets[i], parts + first, end - first, failures);
                first = end;
            }
            parts[end++] = (struct iovec){.iov_base = written[k], .iov_len = size};
        }
        if (end > first)
            missed += send_parts(&targets[i], parts + first, end - first, failures);
    }
    return missed;
}

static void tap_out(struct stream *stream, const unsigned char *packet, int size) {
    for (int i = 0; i < stream->tap_count; i++) {
        const struct tap *to = &stream->taps[i];
        int failed = send_to(to->socket, packet, (size_t)size, to->address, to->address_bytes);
        if (failed)
            stream->failures[failed == 1 ? TAP_FULL : TAP_FAILED]++;
    }
}

/* The ring of packets that may be asked for again */

struct stream *stream_new(void) {
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->base = -1;
    stream->arrived_timestamp = -1;
    stream->last_at_s = -1;
    ring_clear(stream);
    return stream;
}

void stream_free(struct stream *stream) {
    if (stream == NULL)
        return;
    for (int i = 0; i < RING; i++)
        free(stream->ring[i].packet);
    free(stream);
}

void ring_clear(struct stream *stream) {
    for (int i = 0; i < RING; i++)
        stream->ring[i].number = NOTHING_KEPT;
}

/* Returns 0 when there is no memory: then the packet is carried but cannot be sent again. */
int ring_put(struct stream *stream, int64_t number, const unsigned char *packet, int size, int payload_at, int mid_at) {
    struct kept *kept = &stream->ring[(uint64_t)number % RING];
    if (kept->capacity < size) {
        int capacity = (size + 255) / 256 * 256;
        unsigned char *grown = realloc(kept->packet, (size_t)capacity);
        if (grown == NULL) {
            kept->number = NOTHING_KEPT;
            return 0;
        }
        kept->packet = grown;
        kept->capacity = capacity;
    }
    memcpy(kept->packet, packet, (size_t)size);
    kept->number = number;
    kept->size = size;
    kept->payload_at = payload_at;
    kept->mid_at = mid_at;
    return 1;
}

/* Taking */

struct layout {
    int payload_at, mid_at, abs_send_time_at;
};

/* As layout() in media/sfu/rtp.py; 0 for what it calls unclean, or refuses. */
static int find_layout(const unsigned char *packet, int size, struct layout *found) {
    int at = HEADER_BYTES + 4 * (packet[0] & 0x0F), end;
    found->payload_at = at;
    found->mid_at = found->abs_send_time_at = 0;
    if (!(packet[0] & 0x10))
        return at <= size;
    if (at + 4 > size || get16(packet + at) != ONE_BYTE_PROFILE)
        return 0;
    end = at + 4 + 4 * (int)get16(packet + at + 2);
    at += 4;
    if (end > size)
        return 0;
    found->payload_at = end;
    while (at < end) {
        int number = packet[at] >> 4, length = (packet[at] & 0x0F) + 1;
        if (packet[at++] == 0)
            continue;
        if (number == MID_ID && length == MID_BYTES && !found->mid_at)
            found->mid_at = at;
        else if (number == ABS_SEND_TIME_ID && length == 3 && !found->abs_send_time_at)
            found->abs_send_time_at = at;
        else if (number != AUDIO_LEVEL_ID)
            return 0;
        at += length;
    }
    return at <= end;
}

/* As Reception._note_transit() in media/sfu/reception.py. */
static void note_transit(struct stream *stream, unsigned timestamp, double at_s) {
    double transit;
    if ((int64_t)timestamp == stream->arrived_timestamp)
        return;
    stream->arrived_timestamp = timestamp;
    transit = at_s * stream->clock_rate - timestamp;
    if (stream->has_transit) {
        double step = transit > stream->transit ? transit - stream->transit : stream->transit - transit;
        if (step < stream->clock_rate)
            stream->jitter += (step - stream->jitter) / 16;
    }
    stream->transit = transit;
    stream->has_transit = 1;
}

static int is_accepted(const struct stream *stream, int payload_type) {
    for (int i = 0; i < stream->payload_type_count; i++)
        if (stream->payload_types[i] == payload_type)
            return 1;
    return 0;
}

int stream_take(struct stream *stream, unsigned char *packet, int size, double at_s) {
    struct layout found = {0, 0, 0};
    unsigned sequence = get16(packet + 2), timestamp = get32(packet + 4);
    if (stream->mode == ASK || ((sequence - (unsigned)stream->highest) & 0xFFFF) != 1 ||
        !is_accepted(stream, packet[1] & 0x7F))
        return 0;
    if (stream->mode == CARRY && !find_layout(packet, size, &found))
        return 0;
    stream->received++;
    stream->highest++;
    stream->packets++;
    stream->bytes += size;
    stream->last_at_s = at_s;
    note_transit(stream, timestamp, at_s);
    if (stream->mode == COUNT)
        return 1;
    if (found.abs_send_time_at) {
        unsigned time = (unsigned)((uint64_t)(at_s * 262144) & 0xFFFFFF);
        packet[found.abs_send_time_at] = (unsigned char)(time >> 16);
        put16(packet + found.abs_send_time_at + 1, time & 0xFFFF);
    }
    ring_put(stream, stream->highest, packet, size, found.payload_at, found.mid_at);
    stream->carried_packets++;
    stream->carried_bytes += size;
    stream->carried_octets += size - found.payload_at;
    stream->last_number = stream->highest;
    stream->last_timestamp = timestamp;
    stream->carried_at_s = at_s;
    stream->waiting[stream->waiting_count++] = (struct outgoing){packet, size, found.mid_at, sequence, timestamp};
    if (stream->waiting_count == MAX_TOGETHER)
        stream_flush(stream);
    tap_out(stream, packet, size);
    return 1;
}

void stream_flush(struct stream *stream) {
    fan_out(stream->targets, stream->target_count, stream->waiting, stream->waiting_count, stream->failures);
    stream->waiting_count = 0;
}

/* Reading */

static int is_from(const struct door *door, const unsigned char *address) {
    sa_family_t family;
    memcpy(&family, &((const struct sockaddr *)address)->sa_family, sizeof family);
    if (family == AF_INET6) {
        const struct sockaddr_in6 *a = (const void *)address, *b = (const void *)door->address;
        return a->sin6_port == b->sin6_port && !memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr);
    }
    if (family == AF_INET) {
        const struct sockaddr_in *a = (const void *)address, *b = (const void *)door->address;
        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    return 0;
}

/* What remains to be done with a datagram: 0 nothing, else PLAIN, RAW or BAD_SRTP. */
static int take_datagram(struct door *door, unsigned char *data, int *size, const unsigned char *address, double at_s) {
    if (door->session == NULL || *size < HEADER_BYTES || *size > MAX_DATAGRAM_BYTES || data[0] < 128 ||
        data[0] > 191 || (data[1] >= 192 && data[1] <= 223) || !is_from(door, address))
        return RAW;
    if (unprotect(door->session, data, size))
        return BAD_SRTP;
    door->last_heard_s = at_s;
    if (*size < HEADER_BYTES)
        return PLAIN;
    for (int i = 0; i < door->stream_count; i++)
        if (door->streams[i]->ssrc == get32(data + 8))
            return stream_take(door->streams[i], data, *size, at_s) ? 0 : PLAIN;
    return PLAIN;
}

static unsigned char inbox[BATCH][CAPACITY] __attribute__((aligned(8)));
static struct sockaddr_storage senders[BATCH];

static int receive(int socket, int *sizes) {
#ifdef __linux__
    static struct mmsghdr messages[BATCH];
    static struct iovec parts[BATCH];
    int count;
    for (int i = 0; i < BATCH; i++) {
        parts[i].iov_base = inbox[i];
        parts[i].iov_len = CAPACITY - TRAILER;
        messages[i].msg_hdr = (struct msghdr){.msg_name = &senders[i], .msg_namelen = sizeof senders[i],
                                              .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    count = recvmmsg(socket, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        sizes[i] = (int)messages[i].msg_len;
    return count;
#else
    int count = 0;
    for (; count < BATCH; count++) {
        socklen_t bytes = sizeof senders[count];
        ssize_t size = recvfrom(socket, inbox[count], CAPACITY - TRAILER, MSG_DONTWAIT,
                                (struct sockaddr *)&senders[count], &bytes);
        if (size < 0)
            break;
        sizes[count] = (int)size;
    }
    return count;
#endif
}

int drain(int socket, struct door *door, struct left *left) {
    int sizes[BATCH], remaining = 0, count;
    double at_s;
    count = receive(socket, sizes);
    if (count <= 0)
        return 0;
    at_s = now_s();
    for (int i = 0; i < count; i++) {
        int what = take_datagram(door, inbox[i], &sizes[i], (const unsigned char *)&senders[i], at_s);
        if (what) {
            struct left *one = &left[remaining++];
            one->what = what;
            one->size = sizes[i];
            one->data = inbox[i];
            memcpy(one->address, &senders[i], sizeof one->address);
        }
    }
    for (int i = 0; i < door->stream_count; i++)
        if (door->streams[i]->waiting_count)
            stream_flush(door->streams[i]);
    return remaining;
}
