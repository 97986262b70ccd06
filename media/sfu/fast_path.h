/* The compiled fast path as C and Python see it: fast_path.c includes this file, and fast_path_ffi.py is made from it.
   Nothing but constants, structures and functions may stand here. */

#define MID_BYTES 3
#define MID_ID 1
#define AUDIO_LEVEL_ID 2
#define ABS_SEND_TIME_ID 3
#define ONE_BYTE_PROFILE 0xBEDE
#define MAX_DATAGRAM_BYTES 1472
#define RING 512
#define BATCH 32
#define MAX_TOGETHER 16
#define NOTHING_KEPT -1
#define MAX_PAYLOAD_TYPES 8
#define MAX_STREAMS 4

/* What could not be sent, and why. */
#define PROTECT_FAILED 0
#define SEND_BUFFER_FULL 1
#define SEND_FAILED 2
#define TAP_FULL 3
#define TAP_FAILED 4
#define REASONS 5

/* What becomes of the packets of a stream that come in order. */
#define ASK 0   /* Python takes them */
#define COUNT 1 /* they are counted and go no further */
#define CARRY 2 /* they are kept and sent to everybody */

/* What is left to Python of a datagram. */
#define RAW 1      /* all of it, as it came */
#define PLAIN 2    /* an RTP packet, decrypted */
#define BAD_SRTP 3 /* nothing but to count that it could not be decrypted */

/* One receiver. No address: the socket is connected to it. */
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

/* One packet on its way to all targets. `mid_at`: where the MID stands in it, or 0. */
struct outgoing {
    const unsigned char *packet;
    int size;
    int mid_at;
    unsigned int sequence;
    unsigned int timestamp;
};

/* One local socket that gets plain packets. */
struct tap {
    int socket;
    unsigned int address_bytes;
    unsigned char address[112];
};

/* A packet that may be sent again. `number`: its sequence number with the rollovers. */
struct kept {
    int64_t number;
    int size;
    int payload_at;
    int mid_at;
    int capacity;
    unsigned char *packet;
};

/* One incoming stream: who gets it, and the counts of Flow (media/sfu/flow.py). */
struct stream {
    unsigned int ssrc;
    int mode;
    unsigned char payload_types[MAX_PAYLOAD_TYPES];
    int payload_type_count;
    double clock_rate;

    int64_t base;
    int64_t highest;
    int64_t received;
    double jitter;
    double transit;
    int has_transit;
    int64_t arrived_timestamp;

    int64_t packets;
    int64_t bytes;
    double last_at_s;

    int64_t carried_packets;
    int64_t carried_bytes;
    int64_t carried_octets;
    int64_t last_number;
    int64_t last_timestamp;
    double carried_at_s;

    struct target *targets;
    int target_count;
    struct tap *taps;
    int tap_count;
    struct outgoing waiting[MAX_TOGETHER];
    int waiting_count;
    int failures[REASONS];
    struct kept ring[RING];
};

/* Which streams come to a UDP port, from where, and how they are decrypted. No session: none do. */
struct door {
    void *session;
    unsigned char address[28];
    struct stream *streams[MAX_STREAMS];
    int stream_count;
    double last_heard_s;
};

/* One datagram for Python. `data` is valid until the next call of drain(). */
struct left {
    int what;
    int size;
    unsigned char *data;
    unsigned char address[28];
};

/* Size of all structures together: whoever finds another one has another idea of them. */
int shared_bytes(void);

void use_srtp(void *protect_function, void *unprotect_function);

struct stream *stream_new(void);
void stream_free(struct stream *stream);

/* Whether the packet was taken; otherwise nothing has changed. At least 12 bytes; the packet may be altered. It waits,
   and has to stay where it is, until the stream is flushed. */
int stream_take(struct stream *stream, unsigned char *packet, int size, double at_s);

/* Sends what waits to all targets and taps. */
void stream_flush(struct stream *stream);

/* Sends packets to all targets, those of one target together where the kernel can; returns how many were missed, and
   adds them to `failures`. At most MAX_TOGETHER packets. */
int fan_out(const struct target *targets, int count, const struct outgoing *packets, int packet_count, int *failures);

void ring_clear(struct stream *stream);
int ring_put(struct stream *stream, int64_t number, const unsigned char *packet, int size, int payload_at, int mid_at);

/* Reads at most BATCH datagrams of a socket; returns how many of them are left to Python, in the order in which they came. */
int drain(int socket, struct door *door, struct left *left);
