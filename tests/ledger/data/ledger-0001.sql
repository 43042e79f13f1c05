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
INSERT INTO "artifacts" VALUES('mmmmmmmm','model',9,'{}',1772442000000000);
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
INSERT INTO "audit" VALUES(1,1772442000000000,'ann','model.create','models/churn','{"digest":"b1","passed":true,"version":1}','','d907093fbc6cabba9f4f2a8ecadb842623ffb30b547679fbe89f38fab129b47e');
INSERT INTO "audit" VALUES(2,1772445600000000,'ann','model.alias','models/churn','{"after":1,"alias":"champion","before":null,"override":null,"reason":"holds"}','d907093fbc6cabba9f4f2a8ecadb842623ffb30b547679fbe89f38fab129b47e','156e0ff007f88a0a67bab22f46cfb497c394d85e61ac706641a82470aaf2ee68');
INSERT INTO "audit" VALUES(3,1772445600000000,'ann','model.create','models/churn','{"digest":"b2","passed":true,"version":2}','156e0ff007f88a0a67bab22f46cfb497c394d85e61ac706641a82470aaf2ee68','43dc8bbbc5e788379796d8cb09466bb3f28a5d98e05f0c075e9562a348dbdc87');
INSERT INTO "audit" VALUES(4,1772449200000000,'ann','model.alias','models/churn','{"after":2,"alias":"champion","before":1,"override":null,"reason":"holds"}','43dc8bbbc5e788379796d8cb09466bb3f28a5d98e05f0c075e9562a348dbdc87','01b4385f2f3a1bcfba2aad75331e3984870aa6895a6a330c81a29f59924a50e2');
INSERT INTO "audit" VALUES(5,1772535600000000,'ann','incident.open','incidents/1','{"kind":"drift","model":"churn","summary":"income moved — “1 000×”"}','01b4385f2f3a1bcfba2aad75331e3984870aa6895a6a330c81a29f59924a50e2','4e63fe03e3f0e0d42e050f586f97ac8f98d78775dc5575f612b3f24fe15f8ee3');
INSERT INTO "audit" VALUES(6,1772535900000000,'ann','incident.append','incidents/1','{"kind":"signal","text":"PSI 0.4"}','4e63fe03e3f0e0d42e050f586f97ac8f98d78775dc5575f612b3f24fe15f8ee3','cab47267a2de19d86109fa0f67b4cca1adadcf0c31d59095fc6ea337af87b9dd');
INSERT INTO "audit" VALUES(7,1772535900000000,'ann','incident.update','incidents/1','{"action":"roll back","owner":"bob"}','cab47267a2de19d86109fa0f67b4cca1adadcf0c31d59095fc6ea337af87b9dd','37a1ef73c533386e1f97561bcdd8ae66247bf075202eb5fd1b2cf8cd27405543');
INSERT INTO "audit" VALUES(8,1772535900000000,'ann','incident.open','incidents/2','{"kind":"performance","model":"churn","summary":"AUC below 0.8"}','37a1ef73c533386e1f97561bcdd8ae66247bf075202eb5fd1b2cf8cd27405543','1185a4c3e79358efcc139c0ec8f4f4a29e8f81c0dde5103ec089bd86dcf5ec9f');
INSERT INTO "audit" VALUES(9,1772535900000000,'ann','incident.open','incidents/3','{"kind":"data quality","model":"churn","summary":"age is gone"}','1185a4c3e79358efcc139c0ec8f4f4a29e8f81c0dde5103ec089bd86dcf5ec9f','7af37970adada9ba7e54535034c4e12a86eec00dfc3e149d20705b2a66ca3612');
INSERT INTO "audit" VALUES(10,1772535900000000,'ann','incident.open','incidents/4','{"kind":"service","model":"fraud","summary":"no answers"}','7af37970adada9ba7e54535034c4e12a86eec00dfc3e149d20705b2a66ca3612','c66e124cb3a8b0661e881faf52fc12bcb334e4c6fb2aaf2a6faaec57488d1b60');
INSERT INTO "audit" VALUES(11,1772543100000000,'ann','incident.close','incidents/2','{"text":"source mended"}','c66e124cb3a8b0661e881faf52fc12bcb334e4c6fb2aaf2a6faaec57488d1b60','d2685400704e918aab4988273e7b1e5ab262cfee7ee3023f2fbc42fed0fb400b');
INSERT INTO "audit" VALUES(12,1772543100000000,'ann','model.alias','models/churn','{"after":1,"alias":"champion","before":2,"override":"known gap","reason":"incident 1"}','d2685400704e918aab4988273e7b1e5ab262cfee7ee3023f2fbc42fed0fb400b','9cbc5534e774cd80c6e017267a33946f299b17d7bdfc0676073e4d366eedc561');
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
INSERT INTO "datasets" VALUES('customers',1,'tttttttt',600,1772442000000000,'ann','{"age":"Int64"}','{}','customers.csv','5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f');
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
INSERT INTO "edges" VALUES('mmmmmmmm','tttttttt','parts',1);
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
INSERT INTO "incident_events" VALUES(1,1,1772535600000000,'opened','income moved — “1 000×”','ann','{}');
INSERT INTO "incident_events" VALUES(2,1,1772535900000000,'signal','PSI 0.4','ann','{"psi":0.4}');
INSERT INTO "incident_events" VALUES(3,2,1772535900000000,'opened','AUC below 0.8','ann','{}');
INSERT INTO "incident_events" VALUES(4,3,1772535900000000,'opened','age is gone','ann','{}');
INSERT INTO "incident_events" VALUES(5,4,1772535900000000,'opened','no answers','ann','{}');
INSERT INTO "incident_events" VALUES(6,2,1772543100000000,'closed','source mended','ann','{}');
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
	CONSTRAINT pk_incidents PRIMARY KEY (id)
);
INSERT INTO "incidents" VALUES(1,'churn','drift','open','income moved — “1 000×”',1772535600000000,1772535900000000,NULL,'roll back','bob','[{"name":"income","score":0.4,"text":"1000 times larger"}]','{"window":3}');
INSERT INTO "incidents" VALUES(2,'churn','performance','closed','AUC below 0.8',1772535900000000,1772543100000000,1772543100000000,'','','[]','{}');
INSERT INTO "incidents" VALUES(3,'churn','data quality','open','age is gone',1772535900000000,1772535900000000,NULL,'','','[]','{}');
INSERT INTO "incidents" VALUES(4,'fraud','service','open','no answers',1772535900000000,1772535900000000,NULL,'','','[]','{}');
CREATE TABLE mainspring_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "mainspring_version" VALUES('0001');
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
INSERT INTO "models" VALUES('churn',1,'b1',1772442000000000,'ann',1,'5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f','{"roc_auc":{"high":0.83,"low":0.79,"rows":500,"value":0.81}}','{"verdicts":[{"result":"pass"}]}','{}','');
INSERT INTO "models" VALUES('churn',2,'b2',1772445600000000,'ann',1,'5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f','{"roc_auc":{"high":0.83,"low":0.79,"rows":500,"value":0.81}}','{"verdicts":[{"result":"pass"}]}','{}','');
CREATE TABLE params (
	run INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_params PRIMARY KEY (run, name), 
	CONSTRAINT fk_params_run FOREIGN KEY(run) REFERENCES runs (id)
)
 WITHOUT ROWID

;
INSERT INTO "params" VALUES(1,'note','null');
INSERT INTO "params" VALUES(1,'trials','30');
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
INSERT INTO "points" VALUES(1,0,0,1772442000000000,0.7);
INSERT INTO "points" VALUES(1,1,1,1772442000000000,0.4);
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
INSERT INTO "productions" VALUES(1,'mmmmmmmm',1,'train',1772442000000000);
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
INSERT INTO "runs" VALUES(1,'5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f','nightly','pipeline','finished','churn',NULL,1772442000000000,1772442000000000,'ann','abc',0,'eeeeeeee',NULL);
INSERT INTO "runs" VALUES(2,'6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a','trial 1','trial','running','churn',1,1772442000000000,NULL,'ann',NULL,NULL,NULL,NULL);
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
INSERT INTO "series" VALUES(1,2,'loss',0.4,1,2);
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
INSERT INTO "steps" VALUES(1,1,'train','k1','ran',1.5,1772442000000000,'[{"digest":"mmmmmmmm","meta":{},"name":"train","size":9,"type":"model"}]','{"parts":"tttttttt"}','{"source":"s1"}',NULL);
CREATE TABLE tags (
	run INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_tags PRIMARY KEY (run, name), 
	CONSTRAINT fk_tags_run FOREIGN KEY(run) REFERENCES runs (id)
)
 WITHOUT ROWID

;
INSERT INTO "tags" VALUES(1,'team','growth');
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
INSERT INTO "transitions" VALUES(1,'churn','champion',NULL,1,'ann',1772445600000000,'holds',NULL);
INSERT INTO "transitions" VALUES(2,'churn','champion',1,2,'ann',1772449200000000,'holds',NULL);
INSERT INTO "transitions" VALUES(3,'churn','champion',2,1,'ann',1772543100000000,'incident 1','known gap');
CREATE INDEX ix_runs_experiment_started ON runs (experiment, started);
CREATE INDEX ix_runs_parent_started ON runs (parent, started);
CREATE INDEX ix_runs_started ON runs (started);
CREATE INDEX ix_runs_kind_started ON runs (kind, started);
CREATE INDEX ix_transitions_name_alias_time ON transitions (name, alias, time);
CREATE INDEX ix_incidents_status_model ON incidents (status, model);
CREATE INDEX ix_incidents_model ON incidents (model);
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
COMMIT;
