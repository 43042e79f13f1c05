BEGIN TRANSACTION;
CREATE TABLE aliases (
	name TEXT NOT NULL, 
	alias TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT pk_aliases PRIMARY KEY (name, alias)
);
INSERT INTO "aliases" VALUES('churn','champion',1);
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
INSERT INTO "audit" VALUES(1,1772366400000000,'ann','model.create','models/churn','{"digest":"m1","passed":true,"version":1}','','606ff7606f97d3e29ab069d6ea2ed12d8316fa13490da3a06f7b02020e720966');
INSERT INTO "audit" VALUES(2,1772366400000000,'ann','model.create','models/churn','{"digest":"m2","passed":true,"version":2}','606ff7606f97d3e29ab069d6ea2ed12d8316fa13490da3a06f7b02020e720966','aa8894db5294962f7276f86596b24af60353c55aec1aaf3583d67b0f46706846');
INSERT INTO "audit" VALUES(3,1772366400000000,'ann','model.alias','models/churn','{"after":1,"alias":"champion","before":null,"override":null,"reason":"first"}','aa8894db5294962f7276f86596b24af60353c55aec1aaf3583d67b0f46706846','21ef356a9e39ee281456fe1db80dc588680a0c2233ee50c4c3348e9621dca97c');
INSERT INTO "audit" VALUES(4,1772366400000000,'ann','segments.replace','segments/churn','{"by":6,"ids":[1,2]}','21ef356a9e39ee281456fe1db80dc588680a0c2233ee50c4c3348e9621dca97c','0f3c5af891a5fea031e099346b66026f993b1c66cd2b5941c02b2bd15f2f791b');
INSERT INTO "audit" VALUES(5,1772366400000000,'ann','segments.delete','segments/churn','{"ids":[3],"rows":10}','0f3c5af891a5fea031e099346b66026f993b1c66cd2b5941c02b2bd15f2f791b','9ad5894802d5d6fad8189872d2be47cca0e3132ba014acd2093cd993d621573a');
INSERT INTO "audit" VALUES(6,1772366400000000,'ann','endpoint.traffic','endpoints/churn','{"canary":2,"percent":5.0,"reason":"try","revision":1,"shadow":[]}','9ad5894802d5d6fad8189872d2be47cca0e3132ba014acd2093cd993d621573a','44a2b3fa1344f59bad6b67a245c3e87a26c914956cd701c6713c71b312b6137a');
INSERT INTO "audit" VALUES(7,1772366400000000,'ann','incident.open','incidents/1','{"kind":"drift","model":"churn","severity":"critical","summary":"income moved"}','44a2b3fa1344f59bad6b67a245c3e87a26c914956cd701c6713c71b312b6137a','64e1b41c34cd03408db9f8b051b1ba17c8456e72d6fa3aa12e03223f20f85fd4');
INSERT INTO "audit" VALUES(8,1772366400000000,'ann','incident.acknowledge','incidents/1','{"text":"looking"}','64e1b41c34cd03408db9f8b051b1ba17c8456e72d6fa3aa12e03223f20f85fd4','de1d55c22434ad7a6989984b7e761e9a934bad9ec2bf2e2b4117a3cac0305030');
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
INSERT INTO "incident_events" VALUES(1,1,1772366400000000,'opened','income moved','ann','{}');
INSERT INTO "incident_events" VALUES(2,1,1772366400000000,'acknowledged','looking','ann','{}');
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
INSERT INTO "incidents" VALUES(1,'churn','drift','open','income moved',1772366400000000,1772366400000000,NULL,'','','[]','{}','critical',1772366400000000,NULL);
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
INSERT INTO "leases" VALUES('loop','a',1,1772366460000000,1772366400000000,60000000,0);
CREATE TABLE mainspring_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "mainspring_version" VALUES('0002');
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
INSERT INTO "models" VALUES('churn',1,'m1',1772366400000000,'ann',1,NULL,'{}','{}','{}','');
INSERT INTO "models" VALUES('churn',2,'m2',1772366400000000,'ann',1,NULL,'{}','{}','{}','');
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
INSERT INTO "segments" VALUES(1,'churn','predictions','w',0,10,1772366400000000,1772369940000000,'d0',100,1772366400000000);
INSERT INTO "segments" VALUES(2,'churn','predictions','w',1,10,1772370000000000,1772373540000000,'d1',100,1772366400000000);
INSERT INTO "segments" VALUES(3,'churn','predictions','w',2,10,1772373600000000,1772377140000000,'d2',100,1772366400000000);
INSERT INTO "segments" VALUES(4,'churn','predictions','w',3,10,1772377200000000,1772380740000000,'d3',100,NULL);
INSERT INTO "segments" VALUES(5,'churn','labels','w',0,10,1772366400000000,1772369940000000,'l0',100,NULL);
INSERT INTO "segments" VALUES(6,'churn','predictions','compact',0,20,1772366400000000,1772373540000000,'c0',100,NULL);
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
INSERT INTO "states" VALUES(1,'watch','churn','{"seen":3}',1772366400000000);
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
INSERT INTO "traffic" VALUES(1,'churn','[]',2,5.0,1,1772366400000000,'ann','try');
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
INSERT INTO "transitions" VALUES(1,'churn','champion',NULL,1,'ann',1772366400000000,'first',NULL);
CREATE INDEX ix_runs_started ON runs (started);
CREATE INDEX ix_runs_parent_started ON runs (parent, started);
CREATE INDEX ix_runs_experiment_started ON runs (experiment, started);
CREATE INDEX ix_runs_kind_started ON runs (kind, started);
CREATE INDEX ix_transitions_name_alias ON transitions (name, alias);
CREATE INDEX ix_transitions_name_alias_time ON transitions (name, alias, time);
CREATE INDEX ix_incidents_status_model ON incidents (status, model);
CREATE INDEX ix_incidents_model ON incidents (model);
CREATE INDEX ix_segments_digest ON segments (digest);
CREATE INDEX ix_segments_model_kind_last_row ON segments (model, kind, last_row);
CREATE INDEX ix_audit_subject ON audit (subject);
CREATE INDEX ix_params_name_value ON params (name, value);
CREATE INDEX ix_tags_name_value ON tags (name, value);
CREATE INDEX ix_series_name_value_run ON series (name, value, run);
CREATE INDEX ix_productions_run ON productions (run);
CREATE INDEX ix_productions_digest ON productions (digest);
CREATE INDEX ix_edges_input ON edges (input);
CREATE INDEX ix_steps_key ON steps ("key");
CREATE INDEX ix_steps_step ON steps (step);
CREATE INDEX ix_incident_events_incident ON incident_events (incident);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('states',1);
COMMIT;
