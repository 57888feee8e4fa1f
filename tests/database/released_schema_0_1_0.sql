-- The schema of 0.1.0, the first released version, as pg_dump describes it (but `IN` as it was
-- written, since PostgreSQL reads its own description of it differently). It never changes:
-- tests hold the migrations up to there to it, and upgrade a database that has it.

CREATE FUNCTION public.hortus_announce_configuration() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    DECLARE
        changed_kit_id integer := CASE WHEN TG_OP = 'DELETE' THEN OLD.kit_id ELSE NEW.kit_id END;
        changed_serial text;
    BEGIN
        SELECT serial INTO changed_serial FROM kits WHERE id = changed_kit_id;
        IF changed_serial IS NOT NULL THEN  -- otherwise the kit itself is being deleted
            PERFORM pg_notify('hortus_registry', 'kit-configuration ' || changed_serial);
        END IF;
        RETURN NULL;
    END $$;

CREATE FUNCTION public.hortus_announce_kit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR OLD.serial <> NEW.serial THEN
            PERFORM pg_notify('hortus_registry', 'kit-deleted ' || OLD.serial);
        ELSIF OLD.password_hash <> NEW.password_hash THEN
            PERFORM pg_notify('hortus_registry', 'kit-password ' || NEW.serial);
        END IF;
        RETURN NULL;
    END $$;

CREATE FUNCTION public.hortus_announce_quantity_types() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        PERFORM pg_notify('hortus_registry', 'quantity-types ');
        RETURN NULL;
    END $$;

CREATE FUNCTION public.hortus_set_first_activated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        IF NEW.active AND NEW.first_activated_at IS NULL THEN
            NEW.first_activated_at := now();
        END IF;
        RETURN NEW;
    END $$;

CREATE FUNCTION public.hortus_set_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        NEW.updated_at := now();
        RETURN NEW;
    END $$;

CREATE TABLE public.aggregate_measurements (
    datetime_start timestamp with time zone NOT NULL,
    datetime_end timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    id uuid NOT NULL,
    kit_id integer NOT NULL,
    peripheral_id integer NOT NULL,
    kit_configuration_id integer NOT NULL,
    quantity_type_id integer NOT NULL,
    "values" jsonb NOT NULL
)
PARTITION BY RANGE (datetime_start);

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.alert_states (
    plant_id integer NOT NULL,
    quantity_type_id integer NOT NULL,
    peripheral_id integer NOT NULL,
    judged_until timestamp with time zone NOT NULL,
    "out" character varying(4),
    out_since timestamp with time zone,
    open character varying(4),
    back_since timestamp with time zone,
    alert_id bigint,
    message_waiting boolean DEFAULT false NOT NULL,
    quiet_until timestamp with time zone
)
WITH (fillfactor='50');

CREATE TABLE public.alerts (
    id bigint NOT NULL,
    kind character varying(10) NOT NULL,
    plant_id integer,
    quantity_type_id integer,
    kit_id integer NOT NULL,
    condition character varying(10) NOT NULL,
    value double precision,
    minimum double precision,
    maximum double precision,
    began_at timestamp with time zone NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone,
    seen_by_id integer,
    over_at timestamp with time zone,
    ending character varying(10),
    message_accepted_at timestamp with time zone,
    message_waiting boolean DEFAULT false NOT NULL,
    quiet_until timestamp with time zone,
    CONSTRAINT alerts_ended_check CHECK (((over_at IS NULL) = (ending IS NULL))),
    CONSTRAINT alerts_subject_check CHECK ((((kind)::text = 'range'::text) = ((plant_id IS NOT NULL) AND (quantity_type_id IS NOT NULL))))
);

ALTER TABLE public.alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.api_keys (
    id integer NOT NULL,
    user_id integer NOT NULL,
    name character varying(40) NOT NULL,
    key_hash character varying(64) NOT NULL,
    scopes character varying(20)[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    expires_at timestamp with time zone NOT NULL
);

CREATE SEQUENCE public.api_keys_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.api_keys_id_seq OWNED BY public.api_keys.id;

CREATE TABLE public.boards (
    kit_id integer NOT NULL,
    sensor_id integer NOT NULL,
    gateway_id integer,
    silent_after_seconds integer DEFAULT 900 NOT NULL,
    last_contact_at timestamp with time zone,
    last_address character varying(64)
);

CREATE TABLE public.broker_account_changes (
    id integer NOT NULL,
    serial character varying(20) NOT NULL,
    action character varying(10) NOT NULL,
    encrypted_password bytea,
    failure text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT broker_account_changes_action_check CHECK (action IN ('set', 'delete')),
    CONSTRAINT broker_account_changes_password_when_set_check CHECK ((((action)::text = 'set'::text) = (encrypted_password IS NOT NULL)))
);

CREATE SEQUENCE public.broker_account_changes_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.broker_account_changes_id_seq OWNED BY public.broker_account_changes.id;

CREATE TABLE public.gateways (
    id integer NOT NULL,
    name character varying(40) NOT NULL,
    token_hash character varying(64),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_contact_at timestamp with time zone,
    dropped_readings bigint DEFAULT 0 NOT NULL
);

CREATE SEQUENCE public.gateways_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.gateways_id_seq OWNED BY public.gateways.id;

CREATE TABLE public.ingest_batches (
    id uuid NOT NULL,
    committed_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.ingest_ledger (
    kit_id integer NOT NULL,
    hour timestamp with time zone NOT NULL,
    stream character varying(16) NOT NULL,
    received bigint DEFAULT 0 NOT NULL,
    stored bigint DEFAULT 0 NOT NULL,
    duplicate bigint DEFAULT 0 NOT NULL,
    quarantined bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    CONSTRAINT ingest_ledger_adds_up_check CHECK ((received = (((stored + duplicate) + quarantined) + refused)))
)
WITH (fillfactor='50');

CREATE TABLE public.ingest_ledger_reasons (
    kit_id integer NOT NULL,
    hour timestamp with time zone NOT NULL,
    stream character varying(16) NOT NULL,
    outcome character varying(16) NOT NULL,
    reason character varying(64) NOT NULL,
    count bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.kit_command_results (
    command_id bigint NOT NULL,
    part integer NOT NULL,
    data bytea NOT NULL
);

CREATE TABLE public.kit_command_sending (
    id integer DEFAULT 1 NOT NULL,
    sending_until timestamp with time zone NOT NULL,
    CONSTRAINT kit_command_sending_one_row_check CHECK ((id = 1))
);

CREATE TABLE public.kit_commands (
    id bigint NOT NULL,
    kit_id integer NOT NULL,
    user_id integer,
    method character varying(32) NOT NULL,
    peripheral character varying(255),
    command_json text,
    state character varying(16) DEFAULT 'waiting'::character varying NOT NULL,
    error character varying(64),
    explanation text,
    requested_at timestamp with time zone NOT NULL,
    give_up_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    answer_by timestamp with time zone,
    finished_at timestamp with time zone,
    late_answer_at timestamp with time zone,
    occupies_kit boolean DEFAULT false NOT NULL,
    result_media_type character varying(255),
    result_bytes integer,
    result_text text
);

CREATE SEQUENCE public.kit_commands_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.kit_commands_id_seq OWNED BY public.kit_commands.id;

CREATE TABLE public.kit_configurations (
    id integer NOT NULL,
    kit_id integer NOT NULL,
    description text,
    controller_symbol_location text NOT NULL,
    controller_symbol text NOT NULL,
    control_rules json NOT NULL,
    active boolean DEFAULT false NOT NULL,
    first_activated_at timestamp with time zone,
    never_used boolean GENERATED ALWAYS AS ((first_activated_at IS NULL)) STORED NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE public.kit_configurations_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.kit_configurations_id_seq OWNED BY public.kit_configurations.id;

CREATE TABLE public.kit_fetched_configurations (
    kit_id integer NOT NULL,
    kit_configuration_id integer,
    fetched_at timestamp with time zone NOT NULL
);

CREATE TABLE public.kit_last_seen (
    kit_id integer NOT NULL,
    datetime_last_seen timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.kit_memberships (
    id integer NOT NULL,
    user_id integer NOT NULL,
    kit_id integer NOT NULL,
    datetime_linked timestamp with time zone NOT NULL,
    access_super boolean NOT NULL,
    access_configure boolean NOT NULL
);

CREATE SEQUENCE public.kit_memberships_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.kit_memberships_id_seq OWNED BY public.kit_memberships.id;

CREATE TABLE public.kit_presence (
    kit_id integer NOT NULL,
    is_connected boolean,
    connection_changed_at timestamp with time zone,
    last_contact_at timestamp with time zone,
    announced_state character varying(16),
    announced_since timestamp with time zone
)
WITH (fillfactor='50');

CREATE TABLE public.kits (
    id integer NOT NULL,
    serial character varying(20) NOT NULL,
    password_hash character varying(255) NOT NULL,
    broker_password text,
    name character varying(255),
    description text,
    latitude numeric(11,8),
    longitude numeric(11,8),
    privacy_public_dashboard boolean DEFAULT false NOT NULL,
    privacy_show_on_map boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE public.kits_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.kits_id_seq OWNED BY public.kits.id;

CREATE TABLE public.media (
    id uuid NOT NULL,
    peripheral_id integer NOT NULL,
    kit_id integer NOT NULL,
    kit_configuration_id integer NOT NULL,
    datetime timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    name character varying(255) NOT NULL,
    type character varying(255) NOT NULL,
    metadata json NOT NULL,
    size bigint NOT NULL,
    sha256 bytea,
    thumbnail character varying(16),
    thumbnail_note character varying(255),
    thumbnail_attempts integer DEFAULT 0 NOT NULL,
    thumbnail_retry_at timestamp with time zone,
    CONSTRAINT media_size_check CHECK ((size >= 0)),
    CONSTRAINT media_thumbnail_check CHECK (thumbnail IN ('made', 'unsuitable'))
);

CREATE TABLE public.messages (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id integer NOT NULL,
    channel_id integer,
    alert_id bigint,
    kit_id integer,
    transport character varying(10) NOT NULL,
    kind character varying(10) NOT NULL,
    recipient character varying(255) NOT NULL,
    subject character varying(200) NOT NULL,
    sealed_body bytea,
    state character varying(10) DEFAULT 'waiting'::character varying NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    lease uuid,
    failure text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    give_up_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT messages_channel_of_service_check CHECK ((((transport)::text = 'service'::text) = (channel_id IS NOT NULL)))
);

CREATE TABLE public.notification_channels (
    id integer NOT NULL,
    user_id integer NOT NULL,
    name character varying(40) NOT NULL,
    scheme character varying(40) NOT NULL,
    sealed_url bytea NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE public.notification_channels_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.notification_channels_id_seq OWNED BY public.notification_channels.id;

CREATE TABLE public.notification_preferences (
    user_id integer NOT NULL,
    by_mail boolean DEFAULT true NOT NULL,
    of_shared_kits boolean DEFAULT false NOT NULL,
    when_over boolean DEFAULT false NOT NULL,
    when_silent boolean DEFAULT true NOT NULL
);

CREATE TABLE public.peripheral_definition_expected_quantity_types (
    id integer NOT NULL,
    quantity_type_id integer CONSTRAINT peripheral_definition_expected_quanti_quantity_type_id_not_null NOT NULL,
    peripheral_definition_id integer CONSTRAINT peripheral_definition_expecte_peripheral_definition_id_not_null NOT NULL
);

CREATE SEQUENCE public.peripheral_definition_expected_quantity_types_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.peripheral_definition_expected_quantity_types_id_seq OWNED BY public.peripheral_definition_expected_quantity_types.id;

CREATE TABLE public.peripheral_definitions (
    id integer NOT NULL,
    name character varying(100) NOT NULL,
    description text,
    brand character varying(100),
    model character varying(100),
    symbol_location character varying(255) NOT NULL,
    symbol character varying(255) NOT NULL,
    configuration_schema json NOT NULL,
    command_schema json
);

CREATE SEQUENCE public.peripheral_definitions_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.peripheral_definitions_id_seq OWNED BY public.peripheral_definitions.id;

CREATE TABLE public.peripherals (
    id integer NOT NULL,
    kit_id integer NOT NULL,
    kit_configuration_id integer NOT NULL,
    peripheral_definition_id integer NOT NULL,
    name character varying(255) NOT NULL,
    configuration json NOT NULL
);

CREATE SEQUENCE public.peripherals_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.peripherals_id_seq OWNED BY public.peripherals.id;

CREATE TABLE public.plant_alert_settings (
    plant_id integer NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    hysteresis_percent double precision DEFAULT 5 NOT NULL,
    hold_seconds integer DEFAULT 300 NOT NULL,
    pause_seconds integer DEFAULT 43200 NOT NULL
);

CREATE TABLE public.plant_links (
    id integer NOT NULL,
    plant_id integer NOT NULL,
    kit_id integer NOT NULL,
    peripheral_name character varying(255),
    quantity_type_id integer,
    linked_from timestamp with time zone NOT NULL,
    linked_until timestamp with time zone,
    CONSTRAINT plant_links_ordered_check CHECK ((linked_until > linked_from)),
    CONSTRAINT plant_links_whole_check CHECK (((peripheral_name IS NULL) = (quantity_type_id IS NULL)))
);

CREATE SEQUENCE public.plant_links_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.plant_links_id_seq OWNED BY public.plant_links.id;

CREATE TABLE public.plant_photos (
    plant_id integer NOT NULL,
    content_type character varying(40) NOT NULL,
    digest character varying(64) NOT NULL,
    content bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.plant_ranges (
    plant_id integer NOT NULL,
    quantity_type_id integer NOT NULL,
    minimum double precision,
    maximum double precision,
    CONSTRAINT plant_ranges_ordered_check CHECK ((minimum <= maximum))
);

CREATE TABLE public.plants (
    id integer NOT NULL,
    owner_id integer,
    species_id integer,
    name character varying(80) NOT NULL,
    remark text DEFAULT ''::text NOT NULL,
    image text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE public.plants_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.plants_id_seq OWNED BY public.plants.id;

CREATE TABLE public.presence_listening (
    id integer DEFAULT 1 NOT NULL,
    listening_since timestamp with time zone NOT NULL,
    listening_until timestamp with time zone NOT NULL,
    previous_until timestamp with time zone,
    CONSTRAINT presence_listening_one_row_check CHECK ((id = 1))
);

CREATE TABLE public.quantity_types (
    id integer NOT NULL,
    physical_quantity character varying(255) NOT NULL,
    physical_unit character varying(255) NOT NULL,
    physical_unit_symbol character varying(255)
);

CREATE SEQUENCE public.quantity_types_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.quantity_types_id_seq OWNED BY public.quantity_types.id;

CREATE TABLE public.quarantine (
    id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    kit_id integer NOT NULL,
    stream character varying(16) NOT NULL,
    reason character varying(64) NOT NULL,
    detail text NOT NULL,
    topic text NOT NULL,
    payload bytea NOT NULL,
    payload_bytes integer NOT NULL
);

CREATE SEQUENCE public.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.quarantine_id_seq OWNED BY public.quarantine.id;

CREATE TABLE public.queue_media_pending_deletion (
    id integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    media_id uuid NOT NULL,
    kit_serial character varying(20) NOT NULL,
    media_datetime timestamp with time zone NOT NULL,
    media_size bigint NOT NULL,
    object_deleted_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    failure character varying(255),
    CONSTRAINT queue_media_pending_deletion_size_check CHECK ((media_size >= 0))
);

CREATE SEQUENCE public.queue_media_pending_deletion_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.queue_media_pending_deletion_id_seq OWNED BY public.queue_media_pending_deletion.id;

CREATE TABLE public.raw_measurements (
    datetime timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    value double precision NOT NULL,
    id uuid NOT NULL,
    kit_id integer NOT NULL,
    peripheral_id integer NOT NULL,
    kit_configuration_id integer NOT NULL,
    quantity_type_id integer NOT NULL
)
PARTITION BY RANGE (datetime);

CREATE TABLE public.refresh_tokens (
    id uuid NOT NULL,
    user_id integer NOT NULL,
    password_stamp character varying(64) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.series (
    id integer NOT NULL,
    kit_id integer NOT NULL,
    peripheral_name character varying(255) NOT NULL,
    quantity_type_id integer NOT NULL
);

CREATE TABLE public.series_days (
    day timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    first_value double precision NOT NULL,
    last_value double precision NOT NULL,
    minimum double precision NOT NULL,
    maximum double precision NOT NULL,
    sum double precision NOT NULL,
    count integer NOT NULL,
    peripheral_id integer NOT NULL,
    quantity_type_id integer NOT NULL
);

CREATE TABLE public.series_hours (
    hour timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    first_value double precision NOT NULL,
    last_value double precision NOT NULL,
    minimum double precision NOT NULL,
    maximum double precision NOT NULL,
    sum double precision NOT NULL,
    count integer NOT NULL,
    peripheral_id integer NOT NULL,
    quantity_type_id integer NOT NULL,
    sealed boolean NOT NULL
);

CREATE SEQUENCE public.series_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.series_id_seq OWNED BY public.series.id;

CREATE TABLE public.series_touched_hours (
    hour timestamp with time zone NOT NULL,
    kit_id integer NOT NULL
);

CREATE TABLE public.species (
    id integer NOT NULL,
    key character varying(40),
    owner_id integer,
    name character varying(80) NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    image text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE public.species_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.species_id_seq OWNED BY public.species.id;

CREATE TABLE public.species_ranges (
    species_id integer NOT NULL,
    quantity_type_id integer NOT NULL,
    minimum double precision,
    maximum double precision,
    CONSTRAINT species_ranges_bounded_check CHECK (((minimum IS NOT NULL) OR (maximum IS NOT NULL))),
    CONSTRAINT species_ranges_ordered_check CHECK ((minimum <= maximum))
);

CREATE TABLE public.used_archive_tokens (
    id uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.users (
    id integer NOT NULL,
    username character varying(40) NOT NULL,
    display_name character varying(40) NOT NULL,
    password_hash character varying(255) NOT NULL,
    email_address character varying(255) NOT NULL,
    use_email_address_for_gravatar boolean DEFAULT true NOT NULL,
    gravatar_alternative character varying(255) NOT NULL,
    is_admin boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE public.users_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;

CREATE TABLE public.waiting_board_readings (
    gateway_id integer NOT NULL,
    sensor_id integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    temperature double precision,
    humidity double precision,
    light double precision
);

CREATE TABLE public.waiting_boards (
    gateway_id integer NOT NULL,
    sensor_id integer NOT NULL,
    first_contact_at timestamp with time zone NOT NULL,
    last_contact_at timestamp with time zone NOT NULL,
    last_address character varying(64),
    kept bigint DEFAULT 0 NOT NULL,
    dropped bigint DEFAULT 0 NOT NULL
);

ALTER TABLE ONLY public.api_keys ALTER COLUMN id SET DEFAULT nextval('public.api_keys_id_seq'::regclass);

ALTER TABLE ONLY public.broker_account_changes ALTER COLUMN id SET DEFAULT nextval('public.broker_account_changes_id_seq'::regclass);

ALTER TABLE ONLY public.gateways ALTER COLUMN id SET DEFAULT nextval('public.gateways_id_seq'::regclass);

ALTER TABLE ONLY public.kit_commands ALTER COLUMN id SET DEFAULT nextval('public.kit_commands_id_seq'::regclass);

ALTER TABLE ONLY public.kit_configurations ALTER COLUMN id SET DEFAULT nextval('public.kit_configurations_id_seq'::regclass);

ALTER TABLE ONLY public.kit_memberships ALTER COLUMN id SET DEFAULT nextval('public.kit_memberships_id_seq'::regclass);

ALTER TABLE ONLY public.kits ALTER COLUMN id SET DEFAULT nextval('public.kits_id_seq'::regclass);

ALTER TABLE ONLY public.notification_channels ALTER COLUMN id SET DEFAULT nextval('public.notification_channels_id_seq'::regclass);

ALTER TABLE ONLY public.peripheral_definition_expected_quantity_types ALTER COLUMN id SET DEFAULT nextval('public.peripheral_definition_expected_quantity_types_id_seq'::regclass);

ALTER TABLE ONLY public.peripheral_definitions ALTER COLUMN id SET DEFAULT nextval('public.peripheral_definitions_id_seq'::regclass);

ALTER TABLE ONLY public.peripherals ALTER COLUMN id SET DEFAULT nextval('public.peripherals_id_seq'::regclass);

ALTER TABLE ONLY public.plant_links ALTER COLUMN id SET DEFAULT nextval('public.plant_links_id_seq'::regclass);

ALTER TABLE ONLY public.plants ALTER COLUMN id SET DEFAULT nextval('public.plants_id_seq'::regclass);

ALTER TABLE ONLY public.quantity_types ALTER COLUMN id SET DEFAULT nextval('public.quantity_types_id_seq'::regclass);

ALTER TABLE ONLY public.quarantine ALTER COLUMN id SET DEFAULT nextval('public.quarantine_id_seq'::regclass);

ALTER TABLE ONLY public.queue_media_pending_deletion ALTER COLUMN id SET DEFAULT nextval('public.queue_media_pending_deletion_id_seq'::regclass);

ALTER TABLE ONLY public.series ALTER COLUMN id SET DEFAULT nextval('public.series_id_seq'::regclass);

ALTER TABLE ONLY public.species ALTER COLUMN id SET DEFAULT nextval('public.species_id_seq'::regclass);

ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);

ALTER TABLE ONLY public.aggregate_measurements
    ADD CONSTRAINT aggregate_measurements_pkey PRIMARY KEY (kit_id, datetime_start, id);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.alert_states
    ADD CONSTRAINT alert_states_pkey PRIMARY KEY (plant_id, quantity_type_id);

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.boards
    ADD CONSTRAINT boards_pkey PRIMARY KEY (kit_id);

ALTER TABLE ONLY public.boards
    ADD CONSTRAINT boards_sensor_id_key UNIQUE (sensor_id);

ALTER TABLE ONLY public.broker_account_changes
    ADD CONSTRAINT broker_account_changes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.gateways
    ADD CONSTRAINT gateways_name_key UNIQUE (name);

ALTER TABLE ONLY public.gateways
    ADD CONSTRAINT gateways_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.gateways
    ADD CONSTRAINT gateways_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.ingest_batches
    ADD CONSTRAINT ingest_batches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ingest_ledger
    ADD CONSTRAINT ingest_ledger_pkey PRIMARY KEY (kit_id, hour, stream);

ALTER TABLE ONLY public.ingest_ledger_reasons
    ADD CONSTRAINT ingest_ledger_reasons_pkey PRIMARY KEY (kit_id, hour, stream, outcome, reason);

ALTER TABLE ONLY public.kit_command_results
    ADD CONSTRAINT kit_command_results_pkey PRIMARY KEY (command_id, part);

ALTER TABLE ONLY public.kit_command_sending
    ADD CONSTRAINT kit_command_sending_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.kit_commands
    ADD CONSTRAINT kit_commands_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.kit_configurations
    ADD CONSTRAINT kit_configurations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.kit_fetched_configurations
    ADD CONSTRAINT kit_fetched_configurations_pkey PRIMARY KEY (kit_id);

ALTER TABLE ONLY public.kit_last_seen
    ADD CONSTRAINT kit_last_seen_pkey PRIMARY KEY (kit_id);

ALTER TABLE ONLY public.kit_memberships
    ADD CONSTRAINT kit_memberships_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.kit_memberships
    ADD CONSTRAINT kit_memberships_user_id_kit_id_key UNIQUE (user_id, kit_id);

ALTER TABLE ONLY public.kit_presence
    ADD CONSTRAINT kit_presence_pkey PRIMARY KEY (kit_id);

ALTER TABLE ONLY public.kits
    ADD CONSTRAINT kits_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.kits
    ADD CONSTRAINT kits_serial_key UNIQUE (serial);

ALTER TABLE ONLY public.media
    ADD CONSTRAINT media_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notification_channels
    ADD CONSTRAINT notification_channels_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notification_preferences
    ADD CONSTRAINT notification_preferences_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.peripheral_definition_expected_quantity_types
    ADD CONSTRAINT pair_key UNIQUE (peripheral_definition_id, quantity_type_id);

ALTER TABLE ONLY public.peripheral_definition_expected_quantity_types
    ADD CONSTRAINT peripheral_definition_expected_quantity_types_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.peripheral_definitions
    ADD CONSTRAINT peripheral_definitions_name_key UNIQUE (name);

ALTER TABLE ONLY public.peripheral_definitions
    ADD CONSTRAINT peripheral_definitions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.peripherals
    ADD CONSTRAINT peripherals_kit_configuration_id_name_key UNIQUE (kit_configuration_id, name);

ALTER TABLE ONLY public.peripherals
    ADD CONSTRAINT peripherals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plant_alert_settings
    ADD CONSTRAINT plant_alert_settings_pkey PRIMARY KEY (plant_id);

ALTER TABLE ONLY public.plant_links
    ADD CONSTRAINT plant_links_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plant_photos
    ADD CONSTRAINT plant_photos_pkey PRIMARY KEY (plant_id);

ALTER TABLE ONLY public.plant_ranges
    ADD CONSTRAINT plant_ranges_pkey PRIMARY KEY (plant_id, quantity_type_id);

ALTER TABLE ONLY public.plants
    ADD CONSTRAINT plants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.presence_listening
    ADD CONSTRAINT presence_listening_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.quantity_types
    ADD CONSTRAINT quantity_types_physical_quantity_physical_unit_key UNIQUE (physical_quantity, physical_unit);

ALTER TABLE ONLY public.quantity_types
    ADD CONSTRAINT quantity_types_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.queue_media_pending_deletion
    ADD CONSTRAINT queue_media_pending_deletion_media_id_key UNIQUE (media_id);

ALTER TABLE ONLY public.queue_media_pending_deletion
    ADD CONSTRAINT queue_media_pending_deletion_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.raw_measurements
    ADD CONSTRAINT raw_measurements_pkey PRIMARY KEY (kit_id, datetime, id);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.series_days
    ADD CONSTRAINT series_days_pkey PRIMARY KEY (peripheral_id, quantity_type_id, day);

ALTER TABLE ONLY public.series_hours
    ADD CONSTRAINT series_hours_pkey PRIMARY KEY (peripheral_id, quantity_type_id, hour, sealed);

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_kit_id_peripheral_name_quantity_type_id_key UNIQUE (kit_id, peripheral_name, quantity_type_id);

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.species
    ADD CONSTRAINT species_key_key UNIQUE (key);

ALTER TABLE ONLY public.species
    ADD CONSTRAINT species_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.species_ranges
    ADD CONSTRAINT species_ranges_pkey PRIMARY KEY (species_id, quantity_type_id);

ALTER TABLE ONLY public.used_archive_tokens
    ADD CONSTRAINT used_archive_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_address_key UNIQUE (email_address);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_username_key UNIQUE (username);

ALTER TABLE ONLY public.waiting_board_readings
    ADD CONSTRAINT waiting_board_readings_pkey PRIMARY KEY (gateway_id, sensor_id, received_at, id);

ALTER TABLE ONLY public.waiting_boards
    ADD CONSTRAINT waiting_boards_pkey PRIMARY KEY (gateway_id, sensor_id);

CREATE INDEX aggregate_measurements_by_series_idx ON ONLY public.aggregate_measurements USING btree (kit_id, peripheral_id, quantity_type_id, datetime_start DESC, id DESC);

CREATE INDEX alerts_kit_id_idx ON public.alerts USING btree (kit_id, id);

CREATE UNIQUE INDEX alerts_open_range_key ON public.alerts USING btree (plant_id, quantity_type_id) WHERE ((over_at IS NULL) AND ((kind)::text = 'range'::text));

CREATE UNIQUE INDEX alerts_open_silence_key ON public.alerts USING btree (kit_id) WHERE ((over_at IS NULL) AND ((kind)::text = 'silence'::text));

CREATE INDEX alerts_plant_id_idx ON public.alerts USING btree (plant_id, id);

CREATE INDEX alerts_seen_by_id_idx ON public.alerts USING btree (seen_by_id);

CREATE INDEX api_keys_user_id_idx ON public.api_keys USING btree (user_id);

CREATE INDEX boards_gateway_id_idx ON public.boards USING btree (gateway_id);

CREATE INDEX broker_account_changes_serial_idx ON public.broker_account_changes USING btree (serial);

CREATE INDEX ingest_batches_committed_at_idx ON public.ingest_batches USING btree (committed_at);

CREATE INDEX kit_commands_kit_id_id_idx ON public.kit_commands USING btree (kit_id, id);

CREATE UNIQUE INDEX kit_commands_one_outstanding_per_kit ON public.kit_commands USING btree (kit_id) WHERE occupies_kit;

CREATE INDEX kit_commands_user_id_idx ON public.kit_commands USING btree (user_id);

CREATE INDEX kit_commands_waiting_idx ON public.kit_commands USING btree (kit_id, id) WHERE ((state)::text = 'waiting'::text);

CREATE INDEX kit_configurations_kit_id_idx ON public.kit_configurations USING btree (kit_id);

CREATE UNIQUE INDEX kit_configurations_one_active_per_kit ON public.kit_configurations USING btree (kit_id) WHERE active;

CREATE INDEX kit_fetched_configurations_kit_configuration_id_idx ON public.kit_fetched_configurations USING btree (kit_configuration_id);

CREATE INDEX kit_memberships_kit_id_idx ON public.kit_memberships USING btree (kit_id);

CREATE INDEX kits_privacy_show_on_map_idx ON public.kits USING btree (privacy_show_on_map);

CREATE INDEX media_datetime_idx ON public.media USING btree (datetime);

CREATE INDEX media_kit_configuration_id_idx ON public.media USING btree (kit_configuration_id);

CREATE INDEX media_kit_id_datetime_id_idx ON public.media USING btree (kit_id, datetime, id);

CREATE INDEX media_peripheral_id_datetime_id_idx ON public.media USING btree (peripheral_id, datetime, id);

CREATE INDEX media_thumbnail_retry_idx ON public.media USING btree (thumbnail_retry_at) WHERE ((thumbnail IS NULL) AND (thumbnail_retry_at IS NOT NULL));

CREATE INDEX media_without_thumbnail_idx ON public.media USING btree (received_at) WHERE ((thumbnail IS NULL) AND (thumbnail_retry_at IS NULL));

CREATE INDEX messages_alert_id_idx ON public.messages USING btree (alert_id);

CREATE INDEX messages_channel_id_idx ON public.messages USING btree (channel_id);

CREATE INDEX messages_created_at_idx ON public.messages USING btree (created_at);

CREATE INDEX messages_due_idx ON public.messages USING btree (next_attempt_at) WHERE ((state)::text = 'waiting'::text);

CREATE INDEX messages_kit_id_idx ON public.messages USING btree (kit_id);

CREATE INDEX messages_user_id_idx ON public.messages USING btree (user_id);

CREATE INDEX notification_channels_user_id_idx ON public.notification_channels USING btree (user_id);

CREATE INDEX peripherals_kit_id_idx ON public.peripherals USING btree (kit_id);

CREATE INDEX peripherals_peripheral_definition_id_idx ON public.peripherals USING btree (peripheral_definition_id);

CREATE INDEX plant_links_kit_id_idx ON public.plant_links USING btree (kit_id);

CREATE INDEX plant_links_plant_id_idx ON public.plant_links USING btree (plant_id);

CREATE INDEX plants_owner_id_idx ON public.plants USING btree (owner_id);

CREATE INDEX plants_species_id_idx ON public.plants USING btree (species_id);

CREATE INDEX quarantine_kit_id_id_idx ON public.quarantine USING btree (kit_id, id);

CREATE INDEX queue_media_pending_deletion_due_idx ON public.queue_media_pending_deletion USING btree (next_attempt_at, id) WHERE (object_deleted_at IS NULL);

CREATE INDEX refresh_tokens_user_id_idx ON public.refresh_tokens USING btree (user_id);

CREATE INDEX series_touched_hours_kit_id_hour_idx ON public.series_touched_hours USING btree (kit_id, hour);

CREATE INDEX species_owner_id_idx ON public.species USING btree (owner_id);

CREATE TRIGGER kit_configurations_10_set_first_activated_at BEFORE INSERT OR UPDATE ON public.kit_configurations FOR EACH ROW EXECUTE FUNCTION public.hortus_set_first_activated_at();

CREATE TRIGGER kit_configurations_90_updated_at BEFORE UPDATE ON public.kit_configurations FOR EACH ROW EXECUTE FUNCTION public.hortus_set_updated_at();

CREATE TRIGGER kit_configurations_95_announce AFTER INSERT OR DELETE OR UPDATE ON public.kit_configurations FOR EACH ROW EXECUTE FUNCTION public.hortus_announce_configuration();

CREATE TRIGGER kits_90_updated_at BEFORE UPDATE ON public.kits FOR EACH ROW EXECUTE FUNCTION public.hortus_set_updated_at();

CREATE TRIGGER kits_95_announce AFTER DELETE OR UPDATE ON public.kits FOR EACH ROW EXECUTE FUNCTION public.hortus_announce_kit();

CREATE TRIGGER peripherals_95_announce AFTER INSERT OR DELETE OR UPDATE ON public.peripherals FOR EACH ROW EXECUTE FUNCTION public.hortus_announce_configuration();

CREATE TRIGGER plants_90_updated_at BEFORE UPDATE ON public.plants FOR EACH ROW EXECUTE FUNCTION public.hortus_set_updated_at();

CREATE TRIGGER quantity_types_95_announce AFTER INSERT OR DELETE OR UPDATE ON public.quantity_types FOR EACH STATEMENT EXECUTE FUNCTION public.hortus_announce_quantity_types();

CREATE TRIGGER species_90_updated_at BEFORE UPDATE ON public.species FOR EACH ROW EXECUTE FUNCTION public.hortus_set_updated_at();

CREATE TRIGGER users_90_updated_at BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.hortus_set_updated_at();

ALTER TABLE ONLY public.alert_states
    ADD CONSTRAINT alert_states_plant_id_fkey FOREIGN KEY (plant_id) REFERENCES public.plants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_states
    ADD CONSTRAINT alert_states_quantity_type_id_fkey FOREIGN KEY (quantity_type_id) REFERENCES public.quantity_types(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_plant_id_fkey FOREIGN KEY (plant_id) REFERENCES public.plants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_quantity_type_id_fkey FOREIGN KEY (quantity_type_id) REFERENCES public.quantity_types(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_seen_by_id_fkey FOREIGN KEY (seen_by_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE SET NULL;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.boards
    ADD CONSTRAINT boards_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES public.gateways(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.boards
    ADD CONSTRAINT boards_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.peripheral_definition_expected_quantity_types
    ADD CONSTRAINT expected_quantity_types_definition_fkey FOREIGN KEY (peripheral_definition_id) REFERENCES public.peripheral_definitions(id);

ALTER TABLE ONLY public.peripheral_definition_expected_quantity_types
    ADD CONSTRAINT expected_quantity_types_type_fkey FOREIGN KEY (quantity_type_id) REFERENCES public.quantity_types(id);

ALTER TABLE ONLY public.kit_command_results
    ADD CONSTRAINT kit_command_results_command_id_fkey FOREIGN KEY (command_id) REFERENCES public.kit_commands(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kit_commands
    ADD CONSTRAINT kit_commands_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.kit_commands
    ADD CONSTRAINT kit_commands_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE SET NULL;

ALTER TABLE ONLY public.kit_configurations
    ADD CONSTRAINT kit_configurations_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.kit_fetched_configurations
    ADD CONSTRAINT kit_fetched_configurations_kit_configuration_id_fkey FOREIGN KEY (kit_configuration_id) REFERENCES public.kit_configurations(id) ON UPDATE CASCADE ON DELETE SET NULL;

ALTER TABLE ONLY public.kit_fetched_configurations
    ADD CONSTRAINT kit_fetched_configurations_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.kit_last_seen
    ADD CONSTRAINT kit_last_seen_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.kit_memberships
    ADD CONSTRAINT kit_memberships_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.kit_memberships
    ADD CONSTRAINT kit_memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.kit_presence
    ADD CONSTRAINT kit_presence_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.media
    ADD CONSTRAINT media_kit_configuration_id_fkey FOREIGN KEY (kit_configuration_id) REFERENCES public.kit_configurations(id) ON UPDATE CASCADE ON DELETE RESTRICT;

ALTER TABLE ONLY public.media
    ADD CONSTRAINT media_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE RESTRICT;

ALTER TABLE ONLY public.media
    ADD CONSTRAINT media_peripheral_id_fkey FOREIGN KEY (peripheral_id) REFERENCES public.peripherals(id) ON UPDATE CASCADE ON DELETE RESTRICT;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES public.alerts(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.notification_channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.notification_channels
    ADD CONSTRAINT notification_channels_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.notification_preferences
    ADD CONSTRAINT notification_preferences_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.peripherals
    ADD CONSTRAINT peripherals_kit_configuration_id_fkey FOREIGN KEY (kit_configuration_id) REFERENCES public.kit_configurations(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.peripherals
    ADD CONSTRAINT peripherals_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.peripherals
    ADD CONSTRAINT peripherals_peripheral_definition_id_fkey FOREIGN KEY (peripheral_definition_id) REFERENCES public.peripheral_definitions(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.plant_alert_settings
    ADD CONSTRAINT plant_alert_settings_plant_id_fkey FOREIGN KEY (plant_id) REFERENCES public.plants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.plant_links
    ADD CONSTRAINT plant_links_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.plant_links
    ADD CONSTRAINT plant_links_plant_id_fkey FOREIGN KEY (plant_id) REFERENCES public.plants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.plant_links
    ADD CONSTRAINT plant_links_quantity_type_id_fkey FOREIGN KEY (quantity_type_id) REFERENCES public.quantity_types(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.plant_photos
    ADD CONSTRAINT plant_photos_plant_id_fkey FOREIGN KEY (plant_id) REFERENCES public.plants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.plant_ranges
    ADD CONSTRAINT plant_ranges_plant_id_fkey FOREIGN KEY (plant_id) REFERENCES public.plants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.plant_ranges
    ADD CONSTRAINT plant_ranges_quantity_type_id_fkey FOREIGN KEY (quantity_type_id) REFERENCES public.quantity_types(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.plants
    ADD CONSTRAINT plants_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE SET NULL;

ALTER TABLE ONLY public.plants
    ADD CONSTRAINT plants_species_id_fkey FOREIGN KEY (species_id) REFERENCES public.species(id) ON DELETE RESTRICT;

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.series_days
    ADD CONSTRAINT series_days_peripheral_id_fkey FOREIGN KEY (peripheral_id) REFERENCES public.peripherals(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.series_hours
    ADD CONSTRAINT series_hours_peripheral_id_fkey FOREIGN KEY (peripheral_id) REFERENCES public.peripherals(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_kit_id_fkey FOREIGN KEY (kit_id) REFERENCES public.kits(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_quantity_type_id_fkey FOREIGN KEY (quantity_type_id) REFERENCES public.quantity_types(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.species
    ADD CONSTRAINT species_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE SET NULL;

ALTER TABLE ONLY public.species_ranges
    ADD CONSTRAINT species_ranges_quantity_type_id_fkey FOREIGN KEY (quantity_type_id) REFERENCES public.quantity_types(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.species_ranges
    ADD CONSTRAINT species_ranges_species_id_fkey FOREIGN KEY (species_id) REFERENCES public.species(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.waiting_board_readings
    ADD CONSTRAINT waiting_board_readings_board_fkey FOREIGN KEY (gateway_id, sensor_id) REFERENCES public.waiting_boards(gateway_id, sensor_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.waiting_boards
    ADD CONSTRAINT waiting_boards_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES public.gateways(id) ON DELETE CASCADE;

INSERT INTO public.alembic_version VALUES ('20261122_media_retries');
