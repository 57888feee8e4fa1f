-- A small installation of 0.1.0: one garden of Ada's, with something of every kind that its users would miss.

INSERT INTO public.users (id, username, display_name, password_hash, email_address, gravatar_alternative, is_admin) VALUES
    (1, 'ada', 'Ada', '$argon2id$ada', 'ada@example.org', 'a1', true),
    (2, 'brit', 'Brit', '$argon2id$brit', 'brit@example.org', 'b2', false);

INSERT INTO public.notification_preferences (user_id, of_shared_kits) VALUES (2, true);

INSERT INTO public.api_keys (id, user_id, name, key_hash, scopes, expires_at) VALUES
    (1, 1, 'Notebook', repeat('0f', 32), '{read,write}', '2027-11-01 00:00:00+00');

INSERT INTO public.quantity_types (id, physical_quantity, physical_unit, physical_unit_symbol) VALUES
    (1, 'Temperature', 'Degrees Celsius', '°C'),
    (3, 'Humidity', 'Percent', '%');

INSERT INTO public.peripheral_definitions
    (id, name, brand, model, symbol_location, symbol, configuration_schema, command_schema) VALUES
    (1, 'Virtual climate sensor', 'Virtual', 'Climate', 'peripheral', 'Climate', '{"type": "object"}', NULL);

INSERT INTO public.peripheral_definition_expected_quantity_types (id, quantity_type_id, peripheral_definition_id) VALUES
    (1, 1, 1), (2, 3, 1);

INSERT INTO public.kits (id, serial, password_hash, name, latitude, longitude, privacy_public_dashboard) VALUES
    (1, 'k-aaaa-bbbb-cccc', 'hash', 'Basil by the window', 52.09010000, 5.12140000, true),
    (2, 'k-dddd-eeee-ffff', 'hash', NULL, NULL, NULL, false);

INSERT INTO public.kit_memberships (id, user_id, kit_id, datetime_linked, access_super, access_configure) VALUES
    (1, 1, 1, '2026-10-01 09:00:00+00', true, true),
    (2, 2, 1, '2026-10-02 09:00:00+00', false, true);

INSERT INTO public.kit_configurations
    (id, kit_id, description, controller_symbol_location, controller_symbol, control_rules, active) VALUES
    (1, 1, 'Summer', 'controller', 'Controller', '{}', false),
    (2, 1, 'Winter', 'controller', 'Controller', '{"rules": []}', true);

INSERT INTO public.peripherals
    (id, kit_id, kit_configuration_id, peripheral_definition_id, name, configuration) VALUES
    (1, 1, 1, 1, 'Climate', '{"intervals": {"measurementInterval": 5}}'),
    (2, 1, 2, 1, 'Climate', '{"intervals": {"measurementInterval": 60}}');

CREATE TABLE public.raw_measurements_y2026m11 PARTITION OF public.raw_measurements
    FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00');
CREATE TABLE public.aggregate_measurements_y2026m11 PARTITION OF public.aggregate_measurements
    FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00');

INSERT INTO public.raw_measurements
    (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id) VALUES
    ('2026-11-20 12:00:00+00', 19.5, '00000000-0000-4000-8000-000000000001', 1, 2, 2, 1),
    ('2026-11-20 12:01:00+00', 19.75, '00000000-0000-4000-8000-000000000002', 1, 2, 2, 1),
    ('2026-11-20 12:01:00+00', 44, '00000000-0000-4000-8000-000000000003', 1, 2, 2, 3);

INSERT INTO public.aggregate_measurements
    (datetime_start, datetime_end, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id, "values") VALUES
    ('2026-11-20 12:00:00+00', '2026-11-20 12:10:00+00', '00000000-0000-4000-8000-000000000004', 1, 2, 2, 1,
     '{"average": 19.6, "count": 10}');

INSERT INTO public.ingest_ledger (kit_id, hour, stream, received, stored, duplicate, quarantined) VALUES
    (1, '2026-11-20 12:00:00+00', 'raw', 5, 3, 1, 1);

INSERT INTO public.ingest_ledger_reasons (kit_id, hour, stream, outcome, reason, count) VALUES
    (1, '2026-11-20 12:00:00+00', 'raw', 'quarantined', 'unknown-peripheral', 1);

INSERT INTO public.quarantine
    (received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes) OVERRIDING SYSTEM VALUE VALUES
    ('2026-11-20 12:02:00+00', 1, 'raw', 'unknown-peripheral', 'peripheral 99', 'kit/k-aaaa-bbbb-cccc/measurement/raw',
     '\x0001ff', 3);

INSERT INTO public.series (id, kit_id, peripheral_name, quantity_type_id) OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 'Climate', 1), (2, 1, 'Climate', 3);

INSERT INTO public.series_hours
    (hour, first_at, last_at, first_value, last_value, minimum, maximum, sum, count, peripheral_id, quantity_type_id, sealed)
    VALUES ('2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', '2026-11-20 12:01:00+00', 19.5, 19.75, 19.5, 19.75, 39.25,
            2, 2, 1, true);

INSERT INTO public.media
    (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, metadata, size, sha256) VALUES
    ('00000000-0000-4000-8000-000000000005', 2, 1, 2, '2026-11-20 12:00:00+00', 'leaf.jpg', 'image/jpeg', '{}', 3, '\x01');

INSERT INTO public.species (id, owner_id, name) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'Basil');
INSERT INTO public.species_ranges (species_id, quantity_type_id, minimum, maximum) VALUES (1, 1, 18, 28);
INSERT INTO public.plants (id, owner_id, species_id, name) OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 'Basil');
INSERT INTO public.plant_ranges (plant_id, quantity_type_id, minimum, maximum) VALUES (1, 3, 40, 70);
INSERT INTO public.plant_links
    (id, plant_id, kit_id, peripheral_name, quantity_type_id, linked_from) OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 1, NULL, NULL, '2026-10-01 09:00:00+00');
INSERT INTO public.plant_alert_settings (plant_id, hold_seconds) VALUES (1, 600);

INSERT INTO public.alerts
    (id, kind, plant_id, quantity_type_id, kit_id, condition, value, minimum, maximum, began_at, over_at, ending)
    OVERRIDING SYSTEM VALUE VALUES
    (1, 'range', 1, 1, 1, 'low', 12.5, 18, 28, '2026-11-19 03:00:00+00', '2026-11-19 08:00:00+00', 'back');

INSERT INTO public.messages
    (user_id, alert_id, kit_id, transport, kind, recipient, subject, sealed_body, state, give_up_at) VALUES
    (1, 1, 1, 'mail', 'alert', 'ada@example.org', 'Basil is too cold', '\x00', 'waiting', '2026-12-01 00:00:00+00');

INSERT INTO public.kit_commands
    (id, kit_id, user_id, method, state, requested_at, give_up_at, finished_at) OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 1, 'uptime', 'done', '2026-11-20 11:00:00+00', '2026-11-20 11:01:00+00', '2026-11-20 11:00:01+00');

INSERT INTO public.gateways (id, name) VALUES (1, 'Greenhouse');
INSERT INTO public.boards (kit_id, sensor_id, gateway_id) VALUES (2, 7, 1);
