BEGIN TRANSACTION;
CREATE TABLE aliases (
	name TEXT NOT NULL, 
	alias TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT pk_aliases PRIMARY KEY (name, alias)
);
INSERT INTO "aliases" VALUES('churn','champion',3);
INSERT INTO "aliases" VALUES('churn','challenger',1);
CREATE TABLE artifacts (
	digest TEXT NOT NULL, 
	type TEXT NOT NULL, 
	size INTEGER NOT NULL, 
	meta TEXT NOT NULL, 
	created INTEGER NOT NULL, 
	CONSTRAINT pk_artifacts PRIMARY KEY (digest)
)
 WITHOUT ROWID

;
CREATE TABLE audit (
	number INTEGER NOT NULL, 
	time INTEGER NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (number)
);
INSERT INTO "audit" VALUES(1,1772366400000000,'bob','model.create','models/churn','{"digest":"c1","passed":true,"version":1}','','8cc1109773582b6df81358101cfc5fcbd4217a46e9a9450e1959a78124ff5cc0');
INSERT INTO "audit" VALUES(2,1772370000000000,'bob','model.create','models/churn','{"digest":"c2","passed":true,"version":2}','8cc1109773582b6df81358101cfc5fcbd4217a46e9a9450e1959a78124ff5cc0','2c1b50962a2eeb092dc4f6bb45c1fe85e9ccbc05ed7d78cc242f6ee4f66224f6');
INSERT INTO "audit" VALUES(3,1772373600000000,'bob','model.create','models/churn','{"digest":"c3","passed":true,"version":3}','2c1b50962a2eeb092dc4f6bb45c1fe85e9ccbc05ed7d78cc242f6ee4f66224f6','9f6282040295eaa7170489514ed34795ed102e49df94dda572d1ba4d4e19067d');
INSERT INTO "audit" VALUES(4,1772377200000000,'bob','model.create','models/fraud','{"digest":"f1","passed":true,"version":1}','9f6282040295eaa7170489514ed34795ed102e49df94dda572d1ba4d4e19067d','801741309c22d5897f8df40fe5ab215cad8527e433d6e4c8df8c354503120fbe');
INSERT INTO "audit" VALUES(5,1772380800000000,'bob','model.create','models/fraud','{"digest":"f2","passed":true,"version":2}','801741309c22d5897f8df40fe5ab215cad8527e433d6e4c8df8c354503120fbe','9b86857edd16a747b58a9588038c1c833e3977e24f9370152d7ca41347911036');
INSERT INTO "audit" VALUES(6,1772384400000000,'bob','model.create','models/fraud','{"digest":"f3","passed":true,"version":3}','9b86857edd16a747b58a9588038c1c833e3977e24f9370152d7ca41347911036','0f4eca3a021ad13dd40eb525eba5f2725415c823f863efcdd4e7c30dba96e6d8');
INSERT INTO "audit" VALUES(7,1772388000000000,'bob','model.alias','models/churn','{"after":1,"alias":"champion","before":null,"override":null,"reason":"first"}','0f4eca3a021ad13dd40eb525eba5f2725415c823f863efcdd4e7c30dba96e6d8','99c377783f9ed7c697c28d603d7df19dce1a4e0c6b0701b9c7ae06a0deb1b7fe');
INSERT INTO "audit" VALUES(8,1772391600000000,'bob','model.alias','models/fraud','{"after":1,"alias":"champion","before":null,"override":null,"reason":""}','99c377783f9ed7c697c28d603d7df19dce1a4e0c6b0701b9c7ae06a0deb1b7fe','93121fc7b3363bd28bc0c72ddc2f4c435f2f142e7713d17427c9a8847d381bac');
INSERT INTO "audit" VALUES(9,1772395200000000,'bob','model.alias','models/churn','{"after":2,"alias":"champion","before":1,"override":null,"reason":"better"}','93121fc7b3363bd28bc0c72ddc2f4c435f2f142e7713d17427c9a8847d381bac','76b6e7da483ddb1ee52ec2fe14591f372c5e436a121fc265dcf164c7ccf3a4b2');
INSERT INTO "audit" VALUES(10,1772398800000000,'bob','model.alias','models/churn','{"after":3,"alias":"champion","before":2,"override":null,"reason":"autumn"}','76b6e7da483ddb1ee52ec2fe14591f372c5e436a121fc265dcf164c7ccf3a4b2','ce825a26f6dcf6153535ebbebbef56af8765e75682131c7bd05705a0bbe46a57');
INSERT INTO "audit" VALUES(11,1772402400000000,'bob','model.alias','models/fraud','{"after":2,"alias":"champion","before":1,"override":null,"reason":""}','ce825a26f6dcf6153535ebbebbef56af8765e75682131c7bd05705a0bbe46a57','53a44f75b28a17cd09347de05aeaf1e6b43acc16d3f918ce2009a224156fce2c');
INSERT INTO "audit" VALUES(12,1772406000000000,'bob','model.alias','models/churn','{"after":2,"alias":"champion","before":3,"override":null,"reason":"rolled back from churn/3"}','53a44f75b28a17cd09347de05aeaf1e6b43acc16d3f918ce2009a224156fce2c','2f78c6f200e091c1ae9c447da03841d4cac8cd39ad3c02107506f22b22ab8c9f');
INSERT INTO "audit" VALUES(13,1772409600000000,'bob','model.alias','models/fraud','{"after":1,"alias":"champion","before":2,"override":null,"reason":"slow"}','2f78c6f200e091c1ae9c447da03841d4cac8cd39ad3c02107506f22b22ab8c9f','e009fa0f404f759629d2bcca6d5bc92b6a7f2dd606b6cd605aa44d332df7d5db');
INSERT INTO "audit" VALUES(14,1772413200000000,'bob','model.alias','models/churn','{"after":3,"alias":"champion","before":2,"override":null,"reason":"mended"}','e009fa0f404f759629d2bcca6d5bc92b6a7f2dd606b6cd605aa44d332df7d5db','8bae897418e507c29775d05578aa1a7ade768e7e798455572c59553da678e709');
INSERT INTO "audit" VALUES(15,1772416800000000,'bob','model.alias','models/churn','{"after":1,"alias":"challenger","before":null,"override":null,"reason":""}','8bae897418e507c29775d05578aa1a7ade768e7e798455572c59553da678e709','2ad9cd22df83309c74f376f89b319d3c6000b7febf2bcef76cc8787894515bb9');
INSERT INTO "audit" VALUES(16,1772416800000000,'bob','model.alias','models/fraud','{"after":null,"alias":"champion","before":1,"override":null,"reason":"gone"}','2ad9cd22df83309c74f376f89b319d3c6000b7febf2bcef76cc8787894515bb9','fe10e07e4e1eac97d94b2a316b911e84f6d52354375eb5c891590bd4ed26e1c2');
INSERT INTO "audit" VALUES(17,1772416800000000,'bob','endpoint.traffic','endpoints/churn','{"canary":null,"percent":0.0,"reason":"look","revision":1,"shadow":[1]}','fe10e07e4e1eac97d94b2a316b911e84f6d52354375eb5c891590bd4ed26e1c2','fa45fec2741d69fa5c4be746625f28a8367f873027d2f9beefd19de626d2fd23');
CREATE TABLE datasets (
	name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	rows INTEGER NOT NULL, 
	created INTEGER NOT NULL, 
	actor TEXT NOT NULL, 
	columns TEXT NOT NULL, 
	profile TEXT NOT NULL, 
	source TEXT NOT NULL, 
	run TEXT, 
	CONSTRAINT pk_datasets PRIMARY KEY (name, version)
);
CREATE TABLE edges (
	output TEXT NOT NULL, 
	input TEXT NOT NULL, 
	role TEXT NOT NULL, 
	run INTEGER, 
	CONSTRAINT pk_edges PRIMARY KEY (output, input, role), 
	CONSTRAINT fk_edges_run FOREIGN KEY(run) REFERENCES runs (id)
)
 WITHOUT ROWID

;
CREATE TABLE incident_events (
	id INTEGER NOT NULL, 
	incident INTEGER NOT NULL, 
	time INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	text TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	data TEXT NOT NULL, 
	CONSTRAINT pk_incident_events PRIMARY KEY (id), 
	CONSTRAINT fk_incident_events_incident FOREIGN KEY(incident) REFERENCES incidents (id)
);
CREATE TABLE incidents (
	id INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	summary TEXT NOT NULL, 
	opened INTEGER NOT NULL, 
	updated INTEGER NOT NULL, 
	closed INTEGER, 
	action TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	suspects TEXT NOT NULL, 
	details TEXT NOT NULL, 
	severity TEXT DEFAULT 'warning' NOT NULL, 
	acknowledged INTEGER, 
	muted_until INTEGER, 
	CONSTRAINT pk_incidents PRIMARY KEY (id)
);
CREATE TABLE leases (
	name TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	token INTEGER NOT NULL, 
	expires INTEGER NOT NULL, 
	seen INTEGER NOT NULL, 
	span INTEGER NOT NULL, 
	beat INTEGER NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE mainspring_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "mainspring_version" VALUES('0003');
CREATE TABLE models (
	name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	created INTEGER NOT NULL, 
	actor TEXT NOT NULL, 
	passed INTEGER NOT NULL, 
	run TEXT, 
	metrics TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	description TEXT NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (name, version)
);
INSERT INTO "models" VALUES('churn',1,'c1',1772366400000000,'bob',1,NULL,'{}','{}','{}','');
INSERT INTO "models" VALUES('churn',2,'c2',1772370000000000,'bob',1,NULL,'{}','{}','{}','');
INSERT INTO "models" VALUES('churn',3,'c3',1772373600000000,'bob',1,NULL,'{}','{}','{}','');
INSERT INTO "models" VALUES('fraud',1,'f1',1772377200000000,'bob',1,NULL,'{}','{}','{}','');
INSERT INTO "models" VALUES('fraud',2,'f2',1772380800000000,'bob',1,NULL,'{}','{}','{}','');
INSERT INTO "models" VALUES('fraud',3,'f3',1772384400000000,'bob',1,NULL,'{}','{}','{}','');
CREATE TABLE params (
	run INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_params PRIMARY KEY (run, name), 
	CONSTRAINT fk_params_run FOREIGN KEY(run) REFERENCES runs (id)
)
 WITHOUT ROWID

;
CREATE TABLE points (
	series INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	time INTEGER NOT NULL, 
	value FLOAT, 
	CONSTRAINT pk_points PRIMARY KEY (series, position), 
	CONSTRAINT fk_points_series FOREIGN KEY(series) REFERENCES series (id)
)
 WITHOUT ROWID

;
CREATE TABLE productions (
	id INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	run INTEGER, 
	name TEXT NOT NULL, 
	created INTEGER NOT NULL, 
	CONSTRAINT pk_productions PRIMARY KEY (id), 
	CONSTRAINT fk_productions_digest FOREIGN KEY(digest) REFERENCES artifacts (digest), 
	CONSTRAINT fk_productions_run FOREIGN KEY(run) REFERENCES runs (id)
);
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	uid TEXT NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	experiment TEXT NOT NULL, 
	parent INTEGER, 
	started INTEGER NOT NULL, 
	finished INTEGER, 
	actor TEXT NOT NULL, 
	code_commit TEXT, 
	code_dirty INTEGER, 
	environment TEXT, 
	deleted INTEGER, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT uq_runs_uid UNIQUE (uid), 
	CONSTRAINT fk_runs_parent FOREIGN KEY(parent) REFERENCES runs (id)
);
CREATE TABLE segments (
	id INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	source TEXT NOT NULL, 
	sequence INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	first_row INTEGER NOT NULL, 
	last_row INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	bytes INTEGER NOT NULL, 
	gone INTEGER, 
	CONSTRAINT pk_segments PRIMARY KEY (id), 
	CONSTRAINT uq_segments_model_kind_source_sequence UNIQUE (model, kind, source, sequence)
);
CREATE TABLE series (
	id INTEGER NOT NULL, 
	run INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value FLOAT, 
	step INTEGER NOT NULL, 
	length INTEGER NOT NULL, 
	CONSTRAINT pk_series PRIMARY KEY (id), 
	CONSTRAINT uq_series_run_name UNIQUE (run, name), 
	CONSTRAINT fk_series_run FOREIGN KEY(run) REFERENCES runs (id)
);
CREATE TABLE states (
	revision INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	updated INTEGER NOT NULL, 
	CONSTRAINT uq_states_kind_key UNIQUE (kind, "key")
);
CREATE TABLE steps (
	id INTEGER NOT NULL, 
	run INTEGER NOT NULL, 
	step TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	status TEXT NOT NULL, 
	seconds FLOAT NOT NULL, 
	finished INTEGER NOT NULL, 
	outputs TEXT NOT NULL, 
	inputs TEXT NOT NULL, 
	parts TEXT NOT NULL, 
	error TEXT, 
	CONSTRAINT pk_steps PRIMARY KEY (id), 
	CONSTRAINT uq_steps_run_step_key UNIQUE (run, step, "key"), 
	CONSTRAINT fk_steps_run FOREIGN KEY(run) REFERENCES runs (id)
);
CREATE TABLE tags (
	run INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_tags PRIMARY KEY (run, name), 
	CONSTRAINT fk_tags_run FOREIGN KEY(run) REFERENCES runs (id)
)
 WITHOUT ROWID

;
CREATE TABLE traffic (
	id INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	shadow TEXT NOT NULL, 
	canary INTEGER, 
	percent FLOAT NOT NULL, 
	revision INTEGER NOT NULL, 
	time INTEGER NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_traffic PRIMARY KEY (id), 
	CONSTRAINT uq_traffic_model_revision UNIQUE (model, revision)
);
INSERT INTO "traffic" VALUES(1,'churn','[1]',NULL,0.0,1,1772416800000000,'bob','look');
CREATE TABLE transitions (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	alias TEXT NOT NULL, 
	"before" INTEGER, 
	"after" INTEGER, 
	actor TEXT NOT NULL, 
	time INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	override TEXT, 
	CONSTRAINT pk_transitions PRIMARY KEY (id)
);
INSERT INTO "transitions" VALUES(1,'churn','champion',NULL,1,'bob',1772388000000000,'first',NULL);
INSERT INTO "transitions" VALUES(2,'fraud','champion',NULL,1,'bob',1772391600000000,'',NULL);
INSERT INTO "transitions" VALUES(3,'churn','champion',1,2,'bob',1772395200000000,'better',NULL);
INSERT INTO "transitions" VALUES(4,'churn','champion',2,3,'bob',1772398800000000,'autumn',NULL);
INSERT INTO "transitions" VALUES(5,'fraud','champion',1,2,'bob',1772402400000000,'',NULL);
INSERT INTO "transitions" VALUES(6,'churn','champion',3,2,'bob',1772406000000000,'rolled back from churn/3',NULL);
INSERT INTO "transitions" VALUES(7,'fraud','champion',2,1,'bob',1772409600000000,'slow',NULL);
INSERT INTO "transitions" VALUES(8,'churn','champion',2,3,'bob',1772413200000000,'mended',NULL);
INSERT INTO "transitions" VALUES(9,'churn','challenger',NULL,1,'bob',1772416800000000,'',NULL);
INSERT INTO "transitions" VALUES(10,'fraud','champion',1,NULL,'bob',1772416800000000,'gone',NULL);
CREATE INDEX ix_runs_kind_started ON runs (kind, started);
CREATE INDEX ix_runs_started ON runs (started);
CREATE INDEX ix_runs_parent_started ON runs (parent, started);
CREATE INDEX ix_runs_experiment_started ON runs (experiment, started);
CREATE INDEX ix_transitions_name_alias_time ON transitions (name, alias, time);
CREATE INDEX ix_transitions_name_alias ON transitions (name, alias);
CREATE INDEX ix_incidents_model ON incidents (model);
CREATE INDEX ix_incidents_status_model ON incidents (status, model);
CREATE INDEX ix_segments_model ON segments (model) WHERE gone IS NULL;
CREATE INDEX ix_segments_digest ON segments (digest);
CREATE INDEX ix_segments_model_kind_last_row ON segments (model, kind, last_row) WHERE gone IS NULL;
CREATE INDEX ix_audit_subject ON audit (subject);
CREATE INDEX ix_params_name_value ON params (name, value);
CREATE INDEX ix_tags_name_value ON tags (name, value);
CREATE INDEX ix_series_name_value_run ON series (name, value, run);
CREATE INDEX ix_productions_digest ON productions (digest);
CREATE INDEX ix_productions_run ON productions (run);
CREATE INDEX ix_edges_input ON edges (input);
CREATE INDEX ix_steps_key ON steps ("key");
CREATE INDEX ix_steps_step ON steps (step);
CREATE INDEX ix_incident_events_incident ON incident_events (incident);
DELETE FROM "sqlite_sequence";
COMMIT;
