/*
 * What is used of version 5 of Mosquitto's plugin interface (mosquitto_broker.h and mosquitto_plugin.h), declared
 * here so that nothing but a C compiler is needed.
 */
#ifndef MOSQUITTO_INTERFACE_H
#define MOSQUITTO_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

enum { PLUGIN_INTERFACE = 5 };
enum { EVENT_BASIC_AUTH = 3, EVENT_CONTROL = 6, EVENT_MESSAGE = 7 };
enum { SUCCESS = 0, ERROR_NO_MEMORY = 1, ERROR_INVALID = 3, ERROR_AUTH = 11, ERROR_SYSTEM = 14, DEFER = 17 };
enum { LOG_NOTICE = 1 << 1, LOG_WARNING = 1 << 2, LOG_ERROR = 1 << 3 };

struct mosquitto;
struct mqtt5__property;
struct mosquitto_plugin_id_t;

struct mosquitto_opt {
    char *key;
    char *value;
};

struct mosquitto_evt_basic_auth {
    void *future;
    struct mosquitto *client;
    char *username;
    char *password;
    void *future2[4];
};

struct mosquitto_evt_control {
    void *future;
    struct mosquitto *client;
    const char *topic;
    const void *payload;
    const struct mqtt5__property *properties;
    char *reason_string;
    uint32_t payloadlen;
    uint8_t qos;
    uint8_t reason_code;
    bool retain;
    void *future2[4];
};

/* A PUBLISH that was received and is allowed, before it is acknowledged and handed on. */
struct mosquitto_evt_message {
    void *future;
    struct mosquitto *client;
    char *topic;
    void *payload;
    struct mqtt5__property *properties;
    char *reason_string;
    uint32_t payloadlen;
    uint8_t qos;
    uint8_t reason_code;
    bool retain;
    void *future2[4];
};

typedef int (*event_callback)(int event, void *event_data, void *user_data);

int mosquitto_callback_register(struct mosquitto_plugin_id_t *identifier, int event, event_callback callback,
                                const void *event_data, void *user_data);
int mosquitto_callback_unregister(struct mosquitto_plugin_id_t *identifier, int event, event_callback callback,
                                  const void *event_data);
const char *mosquitto_client_id(const struct mosquitto *client);
const char *mosquitto_client_username(const struct mosquitto *client);
void mosquitto_log_printf(int level, const char *format, ...);
int mosquitto_broker_publish_copy(const char *client_id, const char *topic, int payload_bytes, const void *payload,
                                  int qos, bool retain, struct mqtt5__property *properties);

#endif
