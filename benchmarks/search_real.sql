BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'intents/finetune.1');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'space','{"search.r": {"choices": [4, 8, 16, 32]}, "search.learning_rate": {"low": 1e-05, "high": 0.003, "log": true}, "search.lr_scheduler_type": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "study_user_attributes" VALUES(2,1,'fixed','{"data": "430ca15c23f9c80a5fcd34d76985ca92003525e8da4adf8106e5c65973c7d710", "model.path": "pypi:smollm2-135m-instruct", "model.revision": null, "data.max_length": 96, "search.length": 0.25, "search.seeds": 3, "finetune.method": "lora", "finetune.start_from": null, "finetune.beta": 0.1, "finetune.alpha": 32.0, "finetune.lora_dropout": 0.0, "finetune.target_modules": null, "finetune.warmup_ratio": 0.05, "finetune.weight_decay": 0.0, "finetune.max_grad_norm": 1.0, "finetune.epochs": 3.0, "finetune.max_steps": 32, "finetune.batch_size": 4, "finetune.gpus": 1, "finetune.gradient_accumulation_steps": 1, "finetune.train_on": "answer", "finetune.packing": false, "finetune.torch_dtype": "float32", "finetune.optim": "adamw_torch", "finetune.freeze_layers": 0, "finetune.eval_steps": 8, "finetune.eval_rows": 32, "finetune.eval_answers": 0, "finetune.early_stopping": null, "finetune.keep": "best", "finetune.monitor": null, "finetune.label_smoothing": 0.0, "finetune.neftune_noise_alpha": null, "finetune.loss": null, "finetune.label_weights": {}, "finetune.task_weights": {}, "finetune.seed": 0, "finetune.r (default)": 16, "finetune.learning_rate (default)": 1e-05, "finetune.lr_scheduler_type (default)": "cosine"}');
INSERT INTO "study_user_attributes" VALUES(3,1,'metric','{"metric": "loss"}');
INSERT INTO "study_user_attributes" VALUES(4,1,'begun','true');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,25,5.42943286895751953125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,50,5.38439655303955078125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,1,75,5.35826587677001953125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,1,100,5.351848602294921875e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,7,25,4.19291353225708,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,11,25,5.093753814697265625e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,10,25,5.11045551300048828125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,15,25,5.25753355026245117187e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,14,25,3.08020734786987304687e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,15,50,4.94948148727417,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,14,50,1.99425935745239257812e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,15,75,4.75057363510131835937e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,14,75,1.58271098136901855468e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,15,100,4.66312742233276367187e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,14,100,1.40960419178009033203e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,17,25,5.39194011688232421875e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,16,25,5.40560817718505859375e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,17,50,5.28083658218383789062e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(19,16,50,5.31858921051025390625e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(20,17,75,5.2162189483642578125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(21,16,75,5.26800537109375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(22,17,100,5.20029926300048828125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(23,16,100,5.25556135177612304687e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(24,18,25,5.36832523345947265625e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(25,19,25,5.2348003387451171875e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(26,18,50,5.27970838546752929687e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(27,19,50,4.85074281692504882812e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(28,18,75,5.1885585784912109375e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(29,19,75,4.63042879104614257812e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(30,18,100,5.09404420852661132812e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(31,19,100,4.5766773223876953125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(32,20,25,4.86169290542602539062e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(33,21,25,4.52037334442138671875e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(34,21,50,3.33356571197509765625e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(35,20,50,4.03169870376586914062e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(36,21,75,2.91027712821960449218e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(37,20,75,3.59384226799011230468e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(38,21,100,2.81870174407959,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(39,20,100,3.42415308952331542968e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(40,22,25,3.12291765213012695312e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(41,23,25,2.7043628692626953125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(42,22,50,2.03922581672668457031e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(43,23,50,2.36817121505737304687e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(44,22,75,1.62940144538879394531e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(45,23,75,1.6348438262939453125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(46,22,100,1.492641448974609375e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(47,23,100,1.57338130474090576171e+00,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(2,1,'learning_rate',1.0e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(3,1,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(4,2,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(5,2,'learning_rate',1.79057987945977864453e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(6,2,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(7,3,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(8,3,'learning_rate',4.3634520438487044841e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(9,3,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(10,4,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(11,4,'learning_rate',1.68818212325245477732e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(12,4,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(13,5,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(14,5,'learning_rate',1.79286763717872348403e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(15,5,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(16,6,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(17,6,'learning_rate',1.79286763717872348403e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(18,6,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(19,7,'r',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(20,7,'learning_rate',6.05645697444923787264e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(21,7,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(22,8,'r',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(23,8,'learning_rate',6.05645697444923787264e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(24,8,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(25,9,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(26,9,'learning_rate',1.40885734201594151407e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(27,9,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(28,10,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(29,10,'learning_rate',1.40885734201594151407e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(30,10,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(31,11,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(32,11,'learning_rate',7.438002686892e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(33,11,'lr_scheduler_type',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(34,12,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(35,12,'learning_rate',7.438002686892e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(36,12,'lr_scheduler_type',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(37,13,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(38,13,'learning_rate',2.77775122543228196111e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(39,13,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(40,14,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(41,14,'learning_rate',2.77775122543228196111e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(42,14,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(43,15,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(44,15,'learning_rate',7.85259218318074e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(45,15,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(46,16,'r',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(47,16,'learning_rate',1.93365494929693239939e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(48,16,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(49,17,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(50,17,'learning_rate',2.50402629256654729898e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(51,17,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(52,18,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(53,18,'learning_rate',1.75014836672165755254e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(54,18,'lr_scheduler_type',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(55,19,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(56,19,'learning_rate',8.8665986172981132371e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(57,19,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(58,20,'r',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(59,20,'learning_rate',2.4726578174336723585e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(60,20,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(61,21,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(62,21,'learning_rate',4.16873729184910103446e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(63,21,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(64,22,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(65,22,'learning_rate',0.00251549596435701,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(66,22,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(67,23,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(68,23,'learning_rate',2.62662326760813077258e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(69,23,'lr_scheduler_type',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(70,24,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(71,24,'learning_rate',1.8517450600313636877e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(72,24,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(73,25,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(74,25,'learning_rate',1.13943393150565692312e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(75,25,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(2,2,'fixed_params','{"r": 16, "learning_rate": 0.00017905798794597786, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(3,3,'fixed_params','{"r": 16, "learning_rate": 0.00043634520438487045, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(4,4,'fixed_params','{"r": 4, "learning_rate": 0.0016881821232524548, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(5,5,'fixed_params','{"r": 8, "learning_rate": 0.0017928676371787235, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(6,6,'fixed_params','{"r": 8, "learning_rate": 0.0017928676371787235, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(7,7,'fixed_params','{"r": 32, "learning_rate": 0.0006056456974449238, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(8,8,'fixed_params','{"r": 32, "learning_rate": 0.0006056456974449238, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(9,9,'fixed_params','{"r": 8, "learning_rate": 0.00014088573420159415, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(10,10,'fixed_params','{"r": 8, "learning_rate": 0.00014088573420159415, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(11,11,'fixed_params','{"r": 8, "learning_rate": 7.438002686892e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_system_attributes" VALUES(12,12,'fixed_params','{"r": 8, "learning_rate": 7.438002686892e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_system_attributes" VALUES(13,13,'fixed_params','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(14,14,'fixed_params','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(15,15,'fixed_params','{"r": 16, "learning_rate": 7.85259218318074e-05, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(16,16,'fixed_params','{"r": 32, "learning_rate": 1.9336549492969324e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(17,17,'fixed_params','{"r": 8, "learning_rate": 2.5040262925665473e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(18,18,'fixed_params','{"r": 4, "learning_rate": 1.7501483667216576e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_system_attributes" VALUES(19,19,'fixed_params','{"r": 4, "learning_rate": 8.866598617298113e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(20,20,'fixed_params','{"r": 32, "learning_rate": 0.00024726578174336724, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(21,21,'fixed_params','{"r": 4, "learning_rate": 0.0004168737291849101, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(22,22,'fixed_params','{"r": 16, "learning_rate": 0.00251549596435701, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(23,23,'fixed_params','{"r": 16, "learning_rate": 0.0026266232676081308, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_system_attributes" VALUES(24,24,'fixed_params','{"r": 8, "learning_rate": 0.0018517450600313637, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(25,25,'fixed_params','{"r": 16, "learning_rate": 0.001139433931505657, "lr_scheduler_type": "linear"}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'point','"{\"learning_rate\": 1e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(3,1,'drawn','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(4,1,'origin','"default"');
INSERT INTO "trial_user_attributes" VALUES(5,1,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(6,1,'run','"intents.s1-trial-0"');
INSERT INTO "trial_user_attributes" VALUES(7,2,'point','"{\"learning_rate\": 0.000179057987946, \"lr_scheduler_type\": \"cosine\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(8,2,'params','{"r": 16, "learning_rate": 0.00017905798794597786, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(9,2,'drawn','{"r": 16, "learning_rate": 0.00017905798794597786, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(10,2,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(11,2,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(12,2,'run','"intents.s1-trial-1"');
INSERT INTO "trial_user_attributes" VALUES(13,2,'outcome','"failed"');
INSERT INTO "trial_user_attributes" VALUES(14,2,'seconds','0.18603929999517277');
INSERT INTO "trial_user_attributes" VALUES(15,2,'reason','"models: another olivepress is running here; next: wait for it"');
INSERT INTO "trial_user_attributes" VALUES(16,3,'point','"{\"learning_rate\": 0.000436345204385, \"lr_scheduler_type\": \"cosine\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(17,3,'params','{"r": 16, "learning_rate": 0.00043634520438487045, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(18,3,'drawn','{"r": 16, "learning_rate": 0.00043634520438487045, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(19,3,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(20,3,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(21,3,'run','"intents.s1-trial-2"');
INSERT INTO "trial_user_attributes" VALUES(22,3,'outcome','"failed"');
INSERT INTO "trial_user_attributes" VALUES(23,3,'seconds','0.01726755699928617');
INSERT INTO "trial_user_attributes" VALUES(24,3,'reason','"models: another olivepress is running here; next: wait for it"');
INSERT INTO "trial_user_attributes" VALUES(25,4,'point','"{\"learning_rate\": 0.00168818212325, \"lr_scheduler_type\": \"cosine\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(26,4,'params','{"r": 4, "learning_rate": 0.0016881821232524548, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(27,4,'drawn','{"r": 4, "learning_rate": 0.0016881821232524548, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(28,4,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(29,4,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(30,4,'run','"intents.s1-trial-3"');
INSERT INTO "trial_user_attributes" VALUES(31,4,'outcome','"failed"');
INSERT INTO "trial_user_attributes" VALUES(32,4,'seconds','0.017199448004248552');
INSERT INTO "trial_user_attributes" VALUES(33,4,'reason','"models: another olivepress is running here; next: wait for it"');
INSERT INTO "trial_user_attributes" VALUES(34,1,'seconds','289.7506344989961');
INSERT INTO "trial_user_attributes" VALUES(35,1,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(36,1,'step','8');
INSERT INTO "trial_user_attributes" VALUES(37,5,'point','"{\"learning_rate\": 0.00179286763718, \"lr_scheduler_type\": \"linear\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(38,5,'params','{"r": 8, "learning_rate": 0.0017928676371787235, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(39,5,'drawn','{"r": 8, "learning_rate": 0.0017928676371787235, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(40,5,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(41,5,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(42,5,'run','"intents.s1-trial-4"');
INSERT INTO "trial_user_attributes" VALUES(43,6,'point','"{\"learning_rate\": 0.00179286763718, \"lr_scheduler_type\": \"linear\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(44,6,'params','{"r": 8, "learning_rate": 0.0017928676371787235, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(45,6,'drawn','{"r": 8, "learning_rate": 0.0017928676371787235, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(46,6,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(47,6,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(48,6,'run','"intents.s1-trial-4"');
INSERT INTO "trial_user_attributes" VALUES(49,6,'attempt','2');
INSERT INTO "trial_user_attributes" VALUES(50,6,'repeats','4');
INSERT INTO "trial_user_attributes" VALUES(51,5,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(52,5,'reason','"its process was killed; it is tried once more"');
INSERT INTO "trial_user_attributes" VALUES(53,7,'point','"{\"learning_rate\": 0.000605645697445, \"lr_scheduler_type\": \"cosine\", \"r\": 32.0}"');
INSERT INTO "trial_user_attributes" VALUES(54,7,'params','{"r": 32, "learning_rate": 0.0006056456974449238, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(55,7,'drawn','{"r": 32, "learning_rate": 0.0006056456974449238, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(56,7,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(57,7,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(58,7,'run','"intents.s1-trial-6"');
INSERT INTO "trial_user_attributes" VALUES(59,7,'seconds','84.941');
INSERT INTO "trial_user_attributes" VALUES(60,6,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(61,6,'reason','"its process was killed twice"');
INSERT INTO "trial_user_attributes" VALUES(62,8,'point','"{\"learning_rate\": 0.000605645697445, \"lr_scheduler_type\": \"cosine\", \"r\": 32.0}"');
INSERT INTO "trial_user_attributes" VALUES(63,8,'params','{"r": 32, "learning_rate": 0.0006056456974449238, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(64,8,'drawn','{"r": 32, "learning_rate": 0.0006056456974449238, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(65,8,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(66,8,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(67,8,'run','"intents.s1-trial-6"');
INSERT INTO "trial_user_attributes" VALUES(68,8,'attempt','2');
INSERT INTO "trial_user_attributes" VALUES(69,8,'repeats','6');
INSERT INTO "trial_user_attributes" VALUES(70,7,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(71,7,'reason','"its process was killed; it is tried once more"');
INSERT INTO "trial_user_attributes" VALUES(72,9,'point','"{\"learning_rate\": 0.000140885734202, \"lr_scheduler_type\": \"linear\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(73,9,'params','{"r": 8, "learning_rate": 0.00014088573420159415, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(74,9,'drawn','{"r": 8, "learning_rate": 0.00014088573420159415, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(75,9,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(76,9,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(77,9,'run','"intents.s1-trial-8"');
INSERT INTO "trial_user_attributes" VALUES(78,8,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(79,8,'reason','"its process was killed twice"');
INSERT INTO "trial_user_attributes" VALUES(80,10,'point','"{\"learning_rate\": 0.000140885734202, \"lr_scheduler_type\": \"linear\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(81,10,'params','{"r": 8, "learning_rate": 0.00014088573420159415, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(82,10,'drawn','{"r": 8, "learning_rate": 0.00014088573420159415, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(83,10,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(84,10,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(85,10,'run','"intents.s1-trial-8"');
INSERT INTO "trial_user_attributes" VALUES(86,10,'attempt','2');
INSERT INTO "trial_user_attributes" VALUES(87,10,'repeats','8');
INSERT INTO "trial_user_attributes" VALUES(88,9,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(89,9,'reason','"its process was killed; it is tried once more"');
INSERT INTO "trial_user_attributes" VALUES(90,11,'point','"{\"learning_rate\": 7.43800268689e-05, \"lr_scheduler_type\": \"constant\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(91,11,'params','{"r": 8, "learning_rate": 7.438002686892e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(92,11,'drawn','{"r": 8, "learning_rate": 7.438002686892e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(93,11,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(94,11,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(95,11,'run','"intents.s1-trial-10"');
INSERT INTO "trial_user_attributes" VALUES(96,11,'seconds','84.454');
INSERT INTO "trial_user_attributes" VALUES(97,10,'seconds','84.591');
INSERT INTO "trial_user_attributes" VALUES(98,10,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(99,10,'reason','"its process was killed twice"');
INSERT INTO "trial_user_attributes" VALUES(100,12,'point','"{\"learning_rate\": 7.43800268689e-05, \"lr_scheduler_type\": \"constant\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(101,12,'params','{"r": 8, "learning_rate": 7.438002686892e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(102,12,'drawn','{"r": 8, "learning_rate": 7.438002686892e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(103,12,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(104,12,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(105,12,'run','"intents.s1-trial-10"');
INSERT INTO "trial_user_attributes" VALUES(106,12,'attempt','2');
INSERT INTO "trial_user_attributes" VALUES(107,12,'repeats','10');
INSERT INTO "trial_user_attributes" VALUES(108,11,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(109,11,'reason','"its process was killed; it is tried once more"');
INSERT INTO "trial_user_attributes" VALUES(110,13,'point','"{\"learning_rate\": 0.00277775122543, \"lr_scheduler_type\": \"linear\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(111,13,'params','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(112,13,'drawn','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(113,13,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(114,13,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(115,13,'run','"intents.s1-trial-12"');
INSERT INTO "trial_user_attributes" VALUES(116,12,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(117,12,'reason','"its process was killed twice"');
INSERT INTO "trial_user_attributes" VALUES(118,14,'point','"{\"learning_rate\": 0.00277775122543, \"lr_scheduler_type\": \"linear\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(119,14,'params','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(120,14,'drawn','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(121,14,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(122,14,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(123,14,'run','"intents.s1-trial-12"');
INSERT INTO "trial_user_attributes" VALUES(124,14,'attempt','2');
INSERT INTO "trial_user_attributes" VALUES(125,14,'repeats','12');
INSERT INTO "trial_user_attributes" VALUES(126,13,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(127,13,'reason','"its process was killed; it is tried once more"');
INSERT INTO "trial_user_attributes" VALUES(128,15,'point','"{\"learning_rate\": 7.85259218318e-05, \"lr_scheduler_type\": \"linear\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(129,15,'params','{"r": 16, "learning_rate": 7.85259218318074e-05, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(130,15,'drawn','{"r": 16, "learning_rate": 7.85259218318074e-05, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(131,15,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(132,15,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(133,15,'run','"intents.s1-trial-14"');
INSERT INTO "trial_user_attributes" VALUES(134,15,'seconds','478.6035104350012');
INSERT INTO "trial_user_attributes" VALUES(135,14,'seconds','481.02141503299936');
INSERT INTO "trial_user_attributes" VALUES(136,15,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(137,15,'step','8');
INSERT INTO "trial_user_attributes" VALUES(138,16,'point','"{\"learning_rate\": 1.9336549493e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 32.0}"');
INSERT INTO "trial_user_attributes" VALUES(139,16,'params','{"r": 32, "learning_rate": 1.9336549492969324e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(140,16,'drawn','{"r": 32, "learning_rate": 1.9336549492969324e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(141,16,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(142,16,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(143,16,'run','"intents.s1-trial-15"');
INSERT INTO "trial_user_attributes" VALUES(144,14,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(145,14,'step','8');
INSERT INTO "trial_user_attributes" VALUES(146,17,'point','"{\"learning_rate\": 2.50402629257e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(147,17,'params','{"r": 8, "learning_rate": 2.5040262925665473e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(148,17,'drawn','{"r": 8, "learning_rate": 2.5040262925665473e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(149,17,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(150,17,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(151,17,'run','"intents.s1-trial-16"');
INSERT INTO "trial_user_attributes" VALUES(152,17,'seconds','379.6893358409943');
INSERT INTO "trial_user_attributes" VALUES(153,16,'seconds','388.4887907239972');
INSERT INTO "trial_user_attributes" VALUES(154,17,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(155,17,'step','8');
INSERT INTO "trial_user_attributes" VALUES(156,18,'point','"{\"learning_rate\": 1.75014836672e-05, \"lr_scheduler_type\": \"constant\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(157,18,'params','{"r": 4, "learning_rate": 1.7501483667216576e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(158,18,'drawn','{"r": 4, "learning_rate": 1.7501483667216576e-05, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(159,18,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(160,18,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(161,18,'run','"intents.s1-trial-17"');
INSERT INTO "trial_user_attributes" VALUES(162,16,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(163,16,'step','8');
INSERT INTO "trial_user_attributes" VALUES(164,19,'point','"{\"learning_rate\": 8.8665986173e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(165,19,'params','{"r": 4, "learning_rate": 8.866598617298113e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(166,19,'drawn','{"r": 4, "learning_rate": 8.866598617298113e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(167,19,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(168,19,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(169,19,'run','"intents.s1-trial-18"');
INSERT INTO "trial_user_attributes" VALUES(170,18,'seconds','210.12890847701055');
INSERT INTO "trial_user_attributes" VALUES(171,19,'seconds','206.470029049');
INSERT INTO "trial_user_attributes" VALUES(172,18,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(173,18,'step','8');
INSERT INTO "trial_user_attributes" VALUES(174,20,'point','"{\"learning_rate\": 0.000247265781743, \"lr_scheduler_type\": \"linear\", \"r\": 32.0}"');
INSERT INTO "trial_user_attributes" VALUES(175,20,'params','{"r": 32, "learning_rate": 0.00024726578174336724, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(176,20,'drawn','{"r": 32, "learning_rate": 0.00024726578174336724, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(177,20,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(178,20,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(179,20,'run','"intents.s1-trial-19"');
INSERT INTO "trial_user_attributes" VALUES(180,19,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(181,19,'step','8');
INSERT INTO "trial_user_attributes" VALUES(182,21,'point','"{\"learning_rate\": 0.000416873729185, \"lr_scheduler_type\": \"cosine\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(183,21,'params','{"r": 4, "learning_rate": 0.0004168737291849101, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(184,21,'drawn','{"r": 4, "learning_rate": 0.0004168737291849101, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(185,21,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(186,21,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(187,21,'run','"intents.s1-trial-20"');
INSERT INTO "trial_user_attributes" VALUES(188,20,'seconds','193.69130835100077');
INSERT INTO "trial_user_attributes" VALUES(189,21,'seconds','185.983895020996');
INSERT INTO "trial_user_attributes" VALUES(190,21,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(191,21,'step','8');
INSERT INTO "trial_user_attributes" VALUES(192,22,'point','"{\"learning_rate\": 0.00251549596436, \"lr_scheduler_type\": \"linear\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(193,22,'params','{"r": 16, "learning_rate": 0.00251549596435701, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(194,22,'drawn','{"r": 16, "learning_rate": 0.00251549596435701, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(195,22,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(196,22,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(197,22,'run','"intents.s1-trial-21"');
INSERT INTO "trial_user_attributes" VALUES(198,20,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(199,20,'step','8');
INSERT INTO "trial_user_attributes" VALUES(200,23,'point','"{\"learning_rate\": 0.00262662326761, \"lr_scheduler_type\": \"constant\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(201,23,'params','{"r": 16, "learning_rate": 0.0026266232676081308, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(202,23,'drawn','{"r": 16, "learning_rate": 0.0026266232676081308, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(203,23,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(204,23,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(205,23,'run','"intents.s1-trial-22"');
INSERT INTO "trial_user_attributes" VALUES(206,22,'seconds','188.9982271070039');
INSERT INTO "trial_user_attributes" VALUES(207,23,'seconds','188.61780494399136');
INSERT INTO "trial_user_attributes" VALUES(208,22,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(209,22,'step','8');
INSERT INTO "trial_user_attributes" VALUES(210,24,'point','"{\"learning_rate\": 0.00185174506003, \"lr_scheduler_type\": \"linear\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(211,24,'params','{"r": 8, "learning_rate": 0.0018517450600313637, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(212,24,'drawn','{"r": 8, "learning_rate": 0.0018517450600313637, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(213,24,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(214,24,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(215,24,'run','"intents.s1-trial-23"');
INSERT INTO "trial_user_attributes" VALUES(216,23,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(217,23,'step','8');
INSERT INTO "trial_user_attributes" VALUES(218,25,'point','"{\"learning_rate\": 0.00113943393151, \"lr_scheduler_type\": \"linear\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(219,25,'params','{"r": 16, "learning_rate": 0.001139433931505657, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(220,25,'drawn','{"r": 16, "learning_rate": 0.001139433931505657, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(221,25,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(222,25,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(223,25,'run','"intents.s1-trial-24"');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,5.351848602294921875e+00,'FINITE');
INSERT INTO "trial_values" VALUES(2,15,0,4.66312742233276367187e+00,'FINITE');
INSERT INTO "trial_values" VALUES(3,14,0,1.40960419178009033203e+00,'FINITE');
INSERT INTO "trial_values" VALUES(4,17,0,5.20029926300048828125e+00,'FINITE');
INSERT INTO "trial_values" VALUES(5,16,0,5.25556135177612304687e+00,'FINITE');
INSERT INTO "trial_values" VALUES(6,18,0,5.09404420852661132812e+00,'FINITE');
INSERT INTO "trial_values" VALUES(7,19,0,4.5766773223876953125e+00,'FINITE');
INSERT INTO "trial_values" VALUES(8,21,0,2.81870174407959,'FINITE');
INSERT INTO "trial_values" VALUES(9,20,0,3.42415308952331542968e+00,'FINITE');
INSERT INTO "trial_values" VALUES(10,22,0,1.492641448974609375e+00,'FINITE');
INSERT INTO "trial_values" VALUES(11,23,0,1.57338130474090576171e+00,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-27 22:33:46.965298','2026-11-27 22:38:36.772285');
INSERT INTO "trials" VALUES(2,1,1,'FAIL','2026-11-27 22:33:47.191655','2026-11-27 22:33:47.427395');
INSERT INTO "trials" VALUES(3,2,1,'FAIL','2026-11-27 22:33:47.676949','2026-11-27 22:33:47.732464');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-11-27 22:33:47.810781','2026-11-27 22:33:47.866780');
INSERT INTO "trials" VALUES(5,4,1,'FAIL','2026-11-27 22:38:36.836994','2026-11-27 22:39:29.632661');
INSERT INTO "trials" VALUES(6,5,1,'FAIL','2026-11-27 22:39:29.661567','2026-11-27 22:44:20.435456');
INSERT INTO "trials" VALUES(7,6,1,'FAIL','2026-11-27 22:39:33.110357','2026-11-27 22:44:20.491508');
INSERT INTO "trials" VALUES(8,7,1,'FAIL','2026-11-27 22:44:20.516604','2026-11-27 22:46:55.486553');
INSERT INTO "trials" VALUES(9,8,1,'FAIL','2026-11-27 22:44:21.039717','2026-11-27 22:46:55.549147');
INSERT INTO "trials" VALUES(10,9,1,'FAIL','2026-11-27 22:46:55.575851','2026-11-27 22:52:04.266487');
INSERT INTO "trials" VALUES(11,10,1,'FAIL','2026-11-27 22:46:57.411671','2026-11-27 22:52:04.528556');
INSERT INTO "trials" VALUES(12,11,1,'FAIL','2026-11-27 22:52:04.647015','2026-11-27 22:56:04.188636');
INSERT INTO "trials" VALUES(13,12,1,'FAIL','2026-11-27 22:52:05.450701','2026-11-27 22:56:04.296061');
INSERT INTO "trials" VALUES(14,13,1,'COMPLETE','2026-11-27 22:56:04.339217','2026-11-27 23:04:05.550809');
INSERT INTO "trials" VALUES(15,14,1,'COMPLETE','2026-11-27 22:56:04.832299','2026-11-27 23:04:03.597599');
INSERT INTO "trials" VALUES(16,15,1,'COMPLETE','2026-11-27 23:04:03.944194','2026-11-27 23:10:32.521980');
INSERT INTO "trials" VALUES(17,16,1,'COMPLETE','2026-11-27 23:04:05.881457','2026-11-27 23:10:25.663554');
INSERT INTO "trials" VALUES(18,17,1,'COMPLETE','2026-11-27 23:10:25.739434','2026-11-27 23:13:55.900881');
INSERT INTO "trials" VALUES(19,18,1,'COMPLETE','2026-11-27 23:10:32.592299','2026-11-27 23:13:59.096611');
INSERT INTO "trials" VALUES(20,19,1,'COMPLETE','2026-11-27 23:13:55.971202','2026-11-27 23:17:09.701673');
INSERT INTO "trials" VALUES(21,20,1,'COMPLETE','2026-11-27 23:13:59.163844','2026-11-27 23:17:05.182138');
INSERT INTO "trials" VALUES(22,21,1,'COMPLETE','2026-11-27 23:17:05.256905','2026-11-27 23:20:14.294128');
INSERT INTO "trials" VALUES(23,22,1,'COMPLETE','2026-11-27 23:17:09.783767','2026-11-27 23:20:18.437406');
INSERT INTO "trials" VALUES(24,23,1,'RUNNING','2026-11-27 23:20:14.366898',NULL);
INSERT INTO "trials" VALUES(25,24,1,'RUNNING','2026-11-27 23:20:18.509814',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
