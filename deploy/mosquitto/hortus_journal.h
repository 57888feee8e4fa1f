/* A journal of the readings that the broker has acknowledged, for a broker that is killed. */
#ifndef HORTUS_JOURNAL_H
#define HORTUS_JOURNAL_H

#include "mosquitto_interface.h"

/*
 * Opens the journal at this path, and sets aside what an earlier broker has left there, to be replayed. Returns
 * SUCCESS or an error, which is logged.
 */
int journal_open(const char *path);

/*
 * Writes a message down if it is a reading, an aggregate, a medium or a question of a kit; durably, if the kit awaits an
 * acknowledgement. On failure the broker disconnects the kit without acknowledging, and the kit sends it again.
 */
int journal_write(const struct mosquitto_evt_message *message);

/* Publishes what was set aside, once there are subscriptions. Returns the number of messages. */
unsigned long journal_replay(void);

/* Removes the journal: the broker has saved its queues and ends. */
void journal_remove(void);

#endif
