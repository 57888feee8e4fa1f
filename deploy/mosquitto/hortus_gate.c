/*
 * A plugin for Mosquitto 2: keeps kits out after each start, until the processes of Hortus have subscribed.
 *
 * A broker acknowledges a message that nobody has subscribed to and discards it. Shared subscriptions do not
 * survive a restart, so whatever kits sent between the broker's start and the first subscription would be lost,
 * and a kit whose first question is lost waits for ever. Kits that are refused at CONNECT try again.
 *
 * It also keeps a journal of readings, see hortus_journal.c.
 *
 *   cc -O2 -shared -fPIC -o hortus_gate.so hortus_gate.c hortus_journal.c
 *
 * In mosquitto.conf, before the dynamic-security plugin, because the first plugin that knows an account decides:
 *
 *   plugin /usr/local/lib/hortus_gate.so
 *   plugin_opt_services hortus admin               accounts that are let in at once
 *   plugin_opt_waits_for readings media questions  parts of Hortus that must have subscribed
 *   plugin_opt_running_file /var/lib/...           exists while the broker runs, so a kill is noticed
 *   plugin_opt_journal /var/lib/...                where the journal is; without it, there is none
 *
 * A service publishes the name of a part on CONTROL_TOPIC when its subscription stands (an empty message only
 * asks), and receives the state on CONTROL_TOPIC/response. Once open, the gate stays open until the broker ends.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hortus_journal.h"
#include "mosquitto_interface.h"

#define CONTROL_TOPIC "$CONTROL/hortus-gate/v1"
#define RESPONSE_TOPIC CONTROL_TOPIC "/response"
#define MOST_PARTS 16

struct part {
    const char *name;
    bool subscribed;
};

static struct {
    struct mosquitto_plugin_id_t *identifier;
    char *services;
    char *part_names;
    char *running_file;
    bool has_journal;
    struct part parts[MOST_PARTS];
    int part_count;
    bool is_open;
    bool sees_logins;
    bool was_killed;
    long long started_us; /* since 1970: tells one start of the broker from another */
    unsigned long refused_logins;
} gate;

/* Returns whether `word` is one of the words in `list`, which are separated by blanks. */
static bool contains_word(const char *list, const char *word, size_t length)
{
    while (*list != '\0') {
        list += strspn(list, " \t");
        size_t found = strcspn(list, " \t");
        if (found != 0 && found == length && memcmp(list, word, length) == 0) {
            return true;
        }
        list += found;
    }
    return false;
}

static bool is_service(const char *username)
{
    return username != NULL && contains_word(gate.services, username, strlen(username));
}

static int on_login(int event, void *event_data, void *user_data)
{
    (void)event;
    (void)user_data;
    const struct mosquitto_evt_basic_auth *login = event_data;
    gate.sees_logins = true;
    if (gate.is_open || is_service(login->username)) {
        return DEFER; /* to the plugin that has the accounts */
    }
    gate.refused_logins++;
    return ERROR_AUTH;
}

static bool all_subscribed(void)
{
    for (int i = 0; i < gate.part_count; i++) {
        if (!gate.parts[i].subscribed) {
            return false;
        }
    }
    return true;
}

static void note_subscribed(const char *name, size_t length)
{
    for (int i = 0; i < gate.part_count; i++) {
        if (strlen(gate.parts[i].name) == length && memcmp(gate.parts[i].name, name, length) == 0) {
            gate.parts[i].subscribed = true;
        }
    }
    if (!gate.is_open && all_subscribed()) {
        gate.is_open = true;
        mosquitto_log_printf(LOG_NOTICE, "hortus_gate: Hortus has subscribed; kits are let in (%lu logins refused).",
                             gate.refused_logins);
        unsigned long replayed = gate.has_journal ? journal_replay() : 0;
        if (replayed != 0) {
            mosquitto_log_printf(LOG_NOTICE, "hortus_gate: handed on %lu messages of the journal again.", replayed);
        }
    }
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void tell_state(const struct mosquitto *client)
{
    char names[1024] = "";
    for (int i = 0; i < gate.part_count; i++) {
        if (!gate.parts[i].subscribed) {
            size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s\"%s\"", used ? "," : "", gate.parts[i].name);
        }
    }
    char state[1280];
    int length = snprintf(state, sizeof state,
                          "{\"open\":%s,\"waitsFor\":[%s],\"seesLogins\":%s,\"wasKilled\":%s,\"hasJournal\":%s,\"startedMicroseconds\":%lld}",
                          json_bool(gate.is_open), names, json_bool(gate.sees_logins), json_bool(gate.was_killed),
                          json_bool(gate.has_journal), gate.started_us);
    mosquitto_broker_publish_copy(mosquitto_client_id(client), RESPONSE_TOPIC, length, state, 0, false, NULL);
}

static int on_message(int event, void *event_data, void *user_data)
{
    (void)event;
    (void)user_data;
    return journal_write(event_data);
}

static int on_control(int event, void *event_data, void *user_data)
{
    (void)event;
    (void)user_data;
    const struct mosquitto_evt_control *message = event_data;
    if (is_service(mosquitto_client_username(message->client))) {
        note_subscribed(message->payload, message->payloadlen);
        tell_state(message->client);
    }
    return SUCCESS;
}

/* Reads the parts from a list of words. Their names go into JSON as they are, so only plain ones are taken. */
static bool read_parts(char *list)
{
    for (char *name = strtok(list, " \t"); name != NULL; name = strtok(NULL, " \t")) {
        if (gate.part_count == MOST_PARTS || strlen(name) > 32 || strpbrk(name, "\"\\") != NULL) {
            return false;
        }
        gate.parts[gate.part_count++].name = name;
    }
    return gate.part_count > 0;
}

static void note_start(void)
{
    if (gate.running_file == NULL) {
        return;
    }
    gate.was_killed = access(gate.running_file, F_OK) == 0;
    if (gate.was_killed) {
        mosquitto_log_printf(LOG_WARNING, "hortus_gate: the broker was killed or lost power; what it had "
                             "acknowledged since its last save is in the journal, or may be lost without one.");
    }
    FILE *file = fopen(gate.running_file, "w");
    if (file == NULL || fclose(file) != 0) {
        mosquitto_log_printf(LOG_WARNING, "hortus_gate: %s cannot be written, so a kill will go unnoticed.",
                             gate.running_file);
    }
}

static const char *option(const struct mosquitto_opt *options, int count, const char *key)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(options[i].key, key) == 0) {
            return options[i].value;
        }
    }
    return NULL;
}

int mosquitto_plugin_version(int supported_count, const int *supported)
{
    for (int i = 0; i < supported_count; i++) {
        if (supported[i] == PLUGIN_INTERFACE) {
            return PLUGIN_INTERFACE;
        }
    }
    return -1;
}

int mosquitto_plugin_init(struct mosquitto_plugin_id_t *identifier, void **user_data, struct mosquitto_opt *options,
                          int option_count)
{
    (void)user_data;
    const char *services = option(options, option_count, "services");
    const char *waits_for = option(options, option_count, "waits_for");
    const char *running_file = option(options, option_count, "running_file");
    const char *journal = option(options, option_count, "journal");
    if (services == NULL || waits_for == NULL) {
        mosquitto_log_printf(LOG_ERROR, "hortus_gate: set plugin_opt_services and plugin_opt_waits_for.");
        return ERROR_INVALID;
    }
    memset(&gate, 0, sizeof gate);
    gate.identifier = identifier;
    gate.services = strdup(services);
    gate.part_names = strdup(waits_for);
    gate.running_file = running_file == NULL ? NULL : strdup(running_file);
    if (gate.services == NULL || gate.part_names == NULL) {
        return ERROR_NO_MEMORY;
    }
    if (!read_parts(gate.part_names)) {
        mosquitto_log_printf(LOG_ERROR, "hortus_gate: plugin_opt_waits_for takes 1 to %d names.", MOST_PARTS);
        return ERROR_INVALID;
    }
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    gate.started_us = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
    note_start();
    mosquitto_log_printf(LOG_NOTICE, "hortus_gate: kits are kept out until Hortus has subscribed (%s).", waits_for);
    int result = mosquitto_callback_register(identifier, EVENT_BASIC_AUTH, on_login, NULL, NULL);
    if (result == SUCCESS) {
        result = mosquitto_callback_register(identifier, EVENT_CONTROL, on_control, CONTROL_TOPIC, NULL);
    }
    if (result == SUCCESS && journal != NULL) {
        gate.has_journal = true;
        result = journal_open(journal);
    }
    if (result == SUCCESS && journal != NULL) {
        result = mosquitto_callback_register(identifier, EVENT_MESSAGE, on_message, NULL, NULL);
    }
    return result;
}

int mosquitto_plugin_cleanup(void *user_data, struct mosquitto_opt *options, int option_count)
{
    (void)user_data;
    (void)options;
    (void)option_count;
    mosquitto_callback_unregister(gate.identifier, EVENT_BASIC_AUTH, on_login, NULL);
    mosquitto_callback_unregister(gate.identifier, EVENT_CONTROL, on_control, CONTROL_TOPIC);
    if (gate.has_journal) {
        mosquitto_callback_unregister(gate.identifier, EVENT_MESSAGE, on_message, NULL);
        journal_remove();
    }
    if (gate.running_file != NULL) {
        unlink(gate.running_file);
    }
    free(gate.services);
    free(gate.part_names);
    free(gate.running_file);
    return SUCCESS;
}
