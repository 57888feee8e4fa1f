"""Rules that the database enforces itself, whichever program writes to it.

* `first_activated_at` is set when a configuration becomes active for the first time; `never_used` is false
  from then on.
* When a configuration becomes active, and when it no longer is, is noted in `configuration_activations`.
* `updated_at` is set at every change.
* Changes of kits, configurations, peripherals, quantity types and read-only MQTT accounts are announced on the
  channel `hortus_registry`, after commit, as `<what> <kit serial or account>`; caches and open connections
  react to it.
* Changes of plausible limits list the peripherals whose rollups they may change in `series_rechecks`.
"""

from __future__ import annotations

REGISTRY_CHANNEL = "hortus_registry"

TRIGGER_STATEMENTS: tuple[str, ...] = (
    """
    CREATE FUNCTION hortus_set_first_activated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.active AND NEW.first_activated_at IS NULL THEN
            NEW.first_activated_at := now();
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER kit_configurations_10_set_first_activated_at
    BEFORE INSERT OR UPDATE ON kit_configurations
    FOR EACH ROW EXECUTE FUNCTION hortus_set_first_activated_at()
    """,
    """
    CREATE FUNCTION hortus_note_activation() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.active AND NOT NEW.active THEN
            UPDATE configuration_activations SET until = greatest(since, now())
            WHERE kit_configuration_id = NEW.id AND until IS NULL;
        ELSIF NEW.active AND (TG_OP = 'INSERT' OR NOT OLD.active) THEN
            INSERT INTO configuration_activations (kit_id, kit_configuration_id, name, since)
            VALUES (NEW.kit_id, NEW.id, NEW.description, now());
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER kit_configurations_96_note_activation
    AFTER INSERT OR UPDATE OF active ON kit_configurations
    FOR EACH ROW EXECUTE FUNCTION hortus_note_activation()
    """,
    """
    CREATE FUNCTION hortus_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.updated_at := now();
        RETURN NEW;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER {table}_90_updated_at BEFORE UPDATE ON {table}
        FOR EACH ROW EXECUTE FUNCTION hortus_set_updated_at()
        """
        for table in ("kits", "users", "kit_configurations", "species", "plants")
    ),
    """
    CREATE FUNCTION hortus_announce_kit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR OLD.serial <> NEW.serial THEN
            PERFORM pg_notify('hortus_registry', 'kit-deleted ' || OLD.serial);
        ELSIF OLD.password_hash <> NEW.password_hash THEN
            PERFORM pg_notify('hortus_registry', 'kit-password ' || NEW.serial);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER kits_95_announce AFTER UPDATE OR DELETE ON kits
    FOR EACH ROW EXECUTE FUNCTION hortus_announce_kit()
    """,
    """
    CREATE FUNCTION hortus_announce_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed_kit_id integer := CASE WHEN TG_OP = 'DELETE' THEN OLD.kit_id ELSE NEW.kit_id END;
        changed_serial text;
    BEGIN
        SELECT serial INTO changed_serial FROM kits WHERE id = changed_kit_id;
        IF changed_serial IS NOT NULL THEN  -- otherwise the kit itself is being deleted
            PERFORM pg_notify('hortus_registry', 'kit-configuration ' || changed_serial);
        END IF;
        RETURN NULL;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER {table}_95_announce AFTER INSERT OR UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION hortus_announce_configuration()
        """
        for table in ("kit_configurations", "peripherals")
    ),
    """
    CREATE FUNCTION hortus_announce_quantity_types() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('hortus_registry', 'quantity-types ');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER quantity_types_95_announce AFTER INSERT OR UPDATE OR DELETE ON quantity_types
    FOR EACH STATEMENT EXECUTE FUNCTION hortus_announce_quantity_types()
    """,
    """
    CREATE FUNCTION hortus_announce_mqtt_account() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('hortus_registry', 'mqtt-account ' || OLD.name);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER mqtt_accounts_95_announce AFTER UPDATE OR DELETE ON mqtt_accounts
    FOR EACH ROW EXECUTE FUNCTION hortus_announce_mqtt_account()
    """,
    """
    CREATE FUNCTION hortus_recheck_rollups() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO series_rechecks (peripheral_id)
            SELECT id FROM peripherals p
            WHERE OLD.peripheral_definition_id IS NULL
               OR OLD.peripheral_definition_id = p.peripheral_definition_id
            ORDER BY id ON CONFLICT DO NOTHING;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO series_rechecks (peripheral_id)
            SELECT id FROM peripherals p
            WHERE NEW.peripheral_definition_id IS NULL
               OR NEW.peripheral_definition_id = p.peripheral_definition_id
            ORDER BY id ON CONFLICT DO NOTHING;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER plausible_limits_95_recheck AFTER INSERT OR UPDATE OR DELETE ON plausible_limits
    FOR EACH ROW EXECUTE FUNCTION hortus_recheck_rollups()
    """,
)
