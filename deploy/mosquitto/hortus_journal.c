/*
 * Mosquitto acknowledges a message when it has it in memory, and saves its queues every `autosave_interval`. So what
 * was acknowledged since the last save, and no ingester has stored, would be lost when the broker is killed. The
 * journal has each reading on disk before it is acknowledged, and each question: a kit asks only once.
 *
 * Three files: PATH is written to; PATH.previous is the one before. They change every SECONDS_PER_FILE, which has to
 * be well above autosave_interval: by then, what the older one holds was delivered or is in a save. PATH.replay is
 * what a killed broker left. It is published once Hortus has subscribed (redelivery has no effect there), and
 * removed when that has been saved in turn.
 */
#include "hortus_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef SECONDS_PER_FILE
#define SECONDS_PER_FILE 60
#endif
#define MAGIC 0x484a524eU
#define LONGEST_TOPIC 65535U
#define LARGEST_PAYLOAD 268435455U

struct record {
    uint32_t magic;
    uint32_t topic_bytes;
    uint32_t payload_bytes;
    uint32_t checksum;
};

static struct {
    int file;
    char *path;
    char *previous;
    char *replay;
    off_t size;
    bool has_half_record;
    time_t began;
    time_t replayed;
} journal = {.file = -1};

static time_t seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static char *with_suffix(const char *path, const char *suffix)
{
    char *name = malloc(strlen(path) + strlen(suffix) + 1);
    if (name != NULL) {
        strcpy(name, path);
        strcat(name, suffix);
    }
    return name;
}

/* FNV-1a; recognises a record that was only partly written. */
static uint32_t checksum(uint32_t hash, const void *data, size_t length)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ bytes[i]) * 16777619U;
    }
    return hash;
}

static uint32_t checksum_of(const char *topic, size_t topic_bytes, const void *payload, size_t payload_bytes)
{
    return checksum(checksum(2166136261U, topic, topic_bytes), payload, payload_bytes);
}

static int failed(const char *what, const char *path)
{
    mosquitto_log_printf(LOG_ERROR, "hortus_gate: the journal %s cannot be %s: %s.", path, what, strerror(errno));
    return ERROR_SYSTEM;
}

/* Makes the names of new, renamed and removed files durable. */
static void sync_directory(void)
{
    char *copy = strdup(journal.path);
    int directory = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY);
    if (directory >= 0) {
        fsync(directory);
        close(directory);
    }
    free(copy);
}

static int open_new(void)
{
    journal.file = open(journal.path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (journal.file < 0) {
        return failed("written", journal.path);
    }
    journal.size = 0;
    journal.began = seconds();
    sync_directory();
    return SUCCESS;
}

static int append(int file, const char *topic, size_t topic_bytes, const void *payload, size_t payload_bytes)
{
    struct record record = {MAGIC, (uint32_t)topic_bytes, (uint32_t)payload_bytes,
                            checksum_of(topic, topic_bytes, payload, payload_bytes)};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)topic, topic_bytes}, {(void *)payload, payload_bytes}};
    ssize_t wanted = (ssize_t)(sizeof record + topic_bytes + payload_bytes);
    ssize_t written = writev(file, parts, 3);
    if (written >= 0 && written < wanted) {
        errno = ENOSPC;
    }
    return written == wanted ? SUCCESS : ERROR_SYSTEM;
}

/* Reads the next record; `*topic` is ended by a zero and has to be freed, the payload follows it. */
static bool read_record(FILE *file, struct record *record, char **topic)
{
    if (fread(record, sizeof *record, 1, file) != 1 || record->magic != MAGIC ||
        record->topic_bytes > LONGEST_TOPIC || record->payload_bytes > LARGEST_PAYLOAD) {
        return false;
    }
    char *content = malloc((size_t)record->topic_bytes + 1 + record->payload_bytes);
    if (content == NULL) {
        return false;
    }
    char *payload = content + record->topic_bytes + 1;
    content[record->topic_bytes] = '\0';
    if (fread(content, 1, record->topic_bytes, file) != record->topic_bytes ||
        fread(payload, 1, record->payload_bytes, file) != record->payload_bytes ||
        checksum_of(content, record->topic_bytes, payload, record->payload_bytes) != record->checksum) {
        free(content);
        return false;
    }
    *topic = content;
    return true;
}

/* Appends the whole records of one file to those to be replayed, and removes the file. */
static int set_aside(const char *path)
{
    FILE *source = fopen(path, "rb");
    if (source == NULL) {
        return errno == ENOENT ? SUCCESS : failed("read", path);
    }
    int target = open(journal.replay, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int result = target < 0 ? ERROR_SYSTEM : SUCCESS;
    struct record record;
    char *topic;
    while (result == SUCCESS && read_record(source, &record, &topic)) {
        result = append(target, topic, record.topic_bytes, topic + record.topic_bytes + 1, record.payload_bytes);
        free(topic);
    }
    if (result == SUCCESS && fsync(target) != 0) {
        result = ERROR_SYSTEM;
    }
    if (result != SUCCESS) {
        failed("written", journal.replay);
    }
    if (target >= 0) {
        close(target);
    }
    fclose(source);
    if (result == SUCCESS) {
        unlink(path);
    }
    return result;
}

int journal_open(const char *path)
{
    journal.path = with_suffix(path, "");
    journal.previous = with_suffix(path, ".previous");
    journal.replay = with_suffix(path, ".replay");
    if (journal.path == NULL || journal.previous == NULL || journal.replay == NULL) {
        return ERROR_NO_MEMORY;
    }
    int result = set_aside(journal.previous);
    if (result == SUCCESS) {
        result = set_aside(journal.path);
    }
    return result == SUCCESS ? open_new() : result;
}

/* Begins a new file when the present one is old enough. */
static int change_files(void)
{
    time_t now = seconds();
    if (now - journal.began < SECONDS_PER_FILE) {
        return SUCCESS;
    }
    if (journal.replayed != 0 && now - journal.replayed >= SECONDS_PER_FILE) {
        unlink(journal.replay);
        journal.replayed = 0;
    }
    if (rename(journal.path, journal.previous) != 0) {
        return failed("renamed", journal.path);
    }
    close(journal.file);
    journal.file = -1;
    return open_new();
}

/* Removes what was written of a record that could not be written whole: what follows it could not be read. */
static int remove_half_record(void)
{
    journal.has_half_record = ftruncate(journal.file, journal.size) != 0;
    return journal.has_half_record ? failed("repaired", journal.path) : SUCCESS;
}

static bool is_kept(const char *topic)
{
    if (strncmp(topic, "kit/", 4) != 0) {
        return false;
    }
    const char *channel = strchr(topic + 4, '/');
    return channel != NULL && (strncmp(channel, "/measurement/", 13) == 0 || strcmp(channel, "/media") == 0 ||
                               strcmp(channel, "/server-rpc/request") == 0);
}

int journal_write(const struct mosquitto_evt_message *message)
{
    if (!is_kept(message->topic)) {
        return SUCCESS;
    }
    if (journal.has_half_record && remove_half_record() != SUCCESS) {
        return ERROR_SYSTEM;
    }
    if (journal.file < 0 ? open_new() != SUCCESS : change_files() != SUCCESS) {
        return ERROR_SYSTEM;
    }
    size_t topic_bytes = strlen(message->topic);
    if (append(journal.file, message->topic, topic_bytes, message->payload, message->payloadlen) != SUCCESS ||
        (message->qos > 0 && fdatasync(journal.file) != 0)) {
        int result = failed("written", journal.path);
        remove_half_record();
        return result;
    }
    journal.size += (off_t)(sizeof(struct record) + topic_bytes + message->payloadlen);
    return SUCCESS;
}

unsigned long journal_replay(void)
{
    FILE *file = fopen(journal.replay, "rb");
    if (file == NULL) {
        return 0;
    }
    unsigned long count = 0;
    struct record record;
    char *topic;
    while (read_record(file, &record, &topic)) {
        const char *payload = topic + record.topic_bytes + 1;
        if (mosquitto_broker_publish_copy(NULL, topic, (int)record.payload_bytes, payload, 1, false, NULL) == SUCCESS) {
            count++;
        }
        free(topic);
    }
    fclose(file);
    journal.replayed = seconds();
    return count;
}

void journal_remove(void)
{
    if (journal.file >= 0) {
        close(journal.file);
        journal.file = -1;
    }
    unlink(journal.path);
    unlink(journal.previous);
    if (journal.replayed != 0) {
        unlink(journal.replay); /* else nobody has subscribed since, and it is still to be replayed */
    }
    sync_directory();
    free(journal.path);
    free(journal.previous);
    free(journal.replay);
    journal.path = journal.previous = journal.replay = NULL;
}
