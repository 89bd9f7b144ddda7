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
INSERT INTO "studies" VALUES(2,'intents/finetune.1/full');
INSERT INTO "studies" VALUES(3,'intents/finetune.1/fresh');
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
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',2,0);
INSERT INTO "study_directions" VALUES(3,'MAXIMIZE',3,0);
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
INSERT INTO "study_user_attributes" VALUES(5,2,'begun','true');
INSERT INTO "study_user_attributes" VALUES(6,3,'begun','true');
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
INSERT INTO "trial_intermediate_values" VALUES(48,24,25,3.27237486839294433593e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(49,25,25,3.61002254486084,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(50,24,50,2.13401889801025390625e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(51,25,50,2.41196370124816894531e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(52,24,75,1.76254391670227050781e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(53,25,75,2.04058933258056640625e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(54,24,100,1.5891399383544921875e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(55,25,100,1.88775968551635742187e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(56,26,25,2.98380565643310546875e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(57,28,25,2.98380565643310546875e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(58,29,25,3.59882879257202148437e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(59,28,50,1.9236818552017211914e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(60,29,50,2.61659502983093261718e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(61,28,75,1.91107702255249023437e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(62,29,75,2.175495147705078125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(63,28,100,1.62512469291687011718e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(64,29,100,1.86446273326873779296e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(65,30,25,3.25994014739990234375e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(66,31,25,3.14166927337646484375e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(67,30,50,2.17908310890197753906e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(68,31,50,2.13600969314575195312e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(69,30,75,1.79148411750793457031e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(70,31,75,1.62334704399108886718e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(71,30,100,1.64369964599609375e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(72,31,100,1.47781789302825927734e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(73,48,25,5.1479816436767578125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(74,47,25,3.78394031524658203125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(75,49,25,5.14172124862670898437e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(76,50,25,5.39541292190551757812e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(77,51,25,5.10974931716918945312e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(78,52,25,5.26140594482421875e+00,'FINITE');
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
INSERT INTO "trial_params" VALUES(76,26,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(77,26,'learning_rate',2.95588115583025326169e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(78,26,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(79,27,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(80,27,'learning_rate',4.90068290985972701209e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(81,27,'lr_scheduler_type',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(82,28,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(83,28,'learning_rate',2.95588115583025326169e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(84,28,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(85,29,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(86,29,'learning_rate',4.90068290985972701209e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(87,29,'lr_scheduler_type',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(88,30,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(89,30,'learning_rate',1.89745250739554831287e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(90,30,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(91,31,'r',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(92,31,'learning_rate',2.41285873818889232134e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(93,31,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(94,47,'r',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(95,47,'learning_rate',9.36092587003201602458e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(96,47,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(97,48,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(98,48,'learning_rate',1.24762290600966815673e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(99,48,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(100,49,'r',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(101,49,'learning_rate',1.276431903034503637e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(102,49,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(103,50,'r',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(104,50,'learning_rate',2.33540915177571688698e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(105,50,'lr_scheduler_type',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(106,51,'r',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(107,51,'learning_rate',1.40895323880811586692e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(108,51,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
INSERT INTO "trial_params" VALUES(109,52,'r',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO "trial_params" VALUES(110,52,'learning_rate',7.68492336476699869525e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 0.003, "log": true}}');
INSERT INTO "trial_params" VALUES(111,52,'lr_scheduler_type',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "cosine", "constant"]}}');
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
INSERT INTO "trial_system_attributes" VALUES(26,26,'fixed_params','{"r": 4, "learning_rate": 0.0029558811558302533, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(27,27,'fixed_params','{"r": 16, "learning_rate": 0.0004900682909859727, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_system_attributes" VALUES(28,28,'fixed_params','{"r": 4, "learning_rate": 0.0029558811558302533, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(29,29,'fixed_params','{"r": 16, "learning_rate": 0.0004900682909859727, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_system_attributes" VALUES(30,30,'fixed_params','{"r": 16, "learning_rate": 0.0018974525073955483, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(31,31,'fixed_params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(32,32,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(33,33,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(34,34,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(35,35,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(36,36,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(37,37,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(38,38,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(39,39,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(40,40,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(41,41,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(42,42,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(43,43,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(44,44,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(45,45,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(46,46,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(47,47,'fixed_params','{"r": 32, "learning_rate": 0.0009360925870032016, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(48,48,'fixed_params','{"r": 4, "learning_rate": 0.00012476229060096682, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(49,49,'fixed_params','{"r": 8, "learning_rate": 0.00012764319030345036, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(50,50,'fixed_params','{"r": 32, "learning_rate": 2.335409151775717e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_system_attributes" VALUES(51,51,'fixed_params','{"r": 4, "learning_rate": 0.0001408953238808116, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_system_attributes" VALUES(52,52,'fixed_params','{"r": 32, "learning_rate": 7.684923364766999e-05, "lr_scheduler_type": "linear"}');
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
INSERT INTO "trial_user_attributes" VALUES(224,24,'seconds','187.3052495919983');
INSERT INTO "trial_user_attributes" VALUES(225,25,'seconds','189.89578849500685');
INSERT INTO "trial_user_attributes" VALUES(226,24,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(227,24,'step','8');
INSERT INTO "trial_user_attributes" VALUES(228,26,'point','"{\"learning_rate\": 0.00295588115583, \"lr_scheduler_type\": \"linear\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(229,26,'params','{"r": 4, "learning_rate": 0.0029558811558302533, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(230,26,'drawn','{"r": 4, "learning_rate": 0.0029558811558302533, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(231,26,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(232,26,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(233,26,'run','"intents.s1-trial-25"');
INSERT INTO "trial_user_attributes" VALUES(234,25,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(235,25,'step','8');
INSERT INTO "trial_user_attributes" VALUES(236,27,'point','"{\"learning_rate\": 0.000490068290986, \"lr_scheduler_type\": \"constant\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(237,27,'params','{"r": 16, "learning_rate": 0.0004900682909859727, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(238,27,'drawn','{"r": 16, "learning_rate": 0.0004900682909859727, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(239,27,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(240,27,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(241,27,'run','"intents.s1-trial-26"');
INSERT INTO "trial_user_attributes" VALUES(242,26,'seconds','35.488');
INSERT INTO "trial_user_attributes" VALUES(243,28,'point','"{\"learning_rate\": 0.00295588115583, \"lr_scheduler_type\": \"linear\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(244,28,'params','{"r": 4, "learning_rate": 0.0029558811558302533, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(245,28,'drawn','{"r": 4, "learning_rate": 0.0029558811558302533, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(246,28,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(247,28,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(248,28,'run','"intents.s1-trial-25"');
INSERT INTO "trial_user_attributes" VALUES(249,28,'attempt','2');
INSERT INTO "trial_user_attributes" VALUES(250,28,'repeats','25');
INSERT INTO "trial_user_attributes" VALUES(251,26,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(252,26,'reason','"its process was killed; it is tried once more"');
INSERT INTO "trial_user_attributes" VALUES(253,29,'point','"{\"learning_rate\": 0.000490068290986, \"lr_scheduler_type\": \"constant\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(254,29,'params','{"r": 16, "learning_rate": 0.0004900682909859727, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(255,29,'drawn','{"r": 16, "learning_rate": 0.0004900682909859727, "lr_scheduler_type": "constant"}');
INSERT INTO "trial_user_attributes" VALUES(256,29,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(257,29,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(258,29,'run','"intents.s1-trial-26"');
INSERT INTO "trial_user_attributes" VALUES(259,29,'attempt','2');
INSERT INTO "trial_user_attributes" VALUES(260,29,'repeats','26');
INSERT INTO "trial_user_attributes" VALUES(261,27,'outcome','"killed"');
INSERT INTO "trial_user_attributes" VALUES(262,27,'reason','"its process was killed; it is tried once more"');
INSERT INTO "trial_user_attributes" VALUES(263,28,'seconds','331.24653086499893');
INSERT INTO "trial_user_attributes" VALUES(264,29,'seconds','338.27769226599776');
INSERT INTO "trial_user_attributes" VALUES(265,28,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(266,28,'step','8');
INSERT INTO "trial_user_attributes" VALUES(267,30,'point','"{\"learning_rate\": 0.0018974525074, \"lr_scheduler_type\": \"cosine\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(268,30,'params','{"r": 16, "learning_rate": 0.0018974525073955483, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(269,30,'drawn','{"r": 16, "learning_rate": 0.0018974525073955483, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(270,30,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(271,30,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(272,30,'run','"intents.s1-trial-29"');
INSERT INTO "trial_user_attributes" VALUES(273,29,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(274,29,'step','8');
INSERT INTO "trial_user_attributes" VALUES(275,31,'point','"{\"learning_rate\": 0.00241285873819, \"lr_scheduler_type\": \"linear\", \"r\": 16.0}"');
INSERT INTO "trial_user_attributes" VALUES(276,31,'params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(277,31,'drawn','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(278,31,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(279,31,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(280,31,'run','"intents.s1-trial-30"');
INSERT INTO "trial_user_attributes" VALUES(281,30,'seconds','321.1913622459979');
INSERT INTO "trial_user_attributes" VALUES(282,31,'seconds','317.00252487900434');
INSERT INTO "trial_user_attributes" VALUES(283,30,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(284,30,'step','8');
INSERT INTO "trial_user_attributes" VALUES(285,31,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(286,31,'step','8');
INSERT INTO "trial_user_attributes" VALUES(287,32,'point','"{\"learning_rate\": 1e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 16.0, \"seed\": 0.0}"');
INSERT INTO "trial_user_attributes" VALUES(288,32,'params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(289,32,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(290,32,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(291,32,'facts','{"seed": 0}');
INSERT INTO "trial_user_attributes" VALUES(292,32,'run','"intents.s1-full-0"');
INSERT INTO "trial_user_attributes" VALUES(293,33,'point','"{\"learning_rate\": 0.00277775122543, \"lr_scheduler_type\": \"linear\", \"r\": 16.0, \"seed\": 0.0}"');
INSERT INTO "trial_user_attributes" VALUES(294,33,'params','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(295,33,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(296,33,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(297,33,'facts','{"seed": 0}');
INSERT INTO "trial_user_attributes" VALUES(298,33,'run','"intents.s1-full-1"');
INSERT INTO "trial_user_attributes" VALUES(299,33,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(300,33,'seconds','570.4923852389911');
INSERT INTO "trial_user_attributes" VALUES(301,33,'step','32');
INSERT INTO "trial_user_attributes" VALUES(302,34,'point','"{\"learning_rate\": 0.00241285873819, \"lr_scheduler_type\": \"linear\", \"r\": 16.0, \"seed\": 0.0}"');
INSERT INTO "trial_user_attributes" VALUES(303,34,'params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(304,34,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(305,34,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(306,34,'facts','{"seed": 0}');
INSERT INTO "trial_user_attributes" VALUES(307,34,'run','"intents.s1-full-2"');
INSERT INTO "trial_user_attributes" VALUES(308,32,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(309,32,'seconds','573.9577525959903');
INSERT INTO "trial_user_attributes" VALUES(310,32,'step','32');
INSERT INTO "trial_user_attributes" VALUES(311,35,'point','"{\"learning_rate\": 1e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 16.0, \"seed\": 1.0}"');
INSERT INTO "trial_user_attributes" VALUES(312,35,'params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(313,35,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(314,35,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(315,35,'facts','{"seed": 1}');
INSERT INTO "trial_user_attributes" VALUES(316,35,'run','"intents.s1-full-3"');
INSERT INTO "trial_user_attributes" VALUES(317,35,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(318,35,'seconds','494.81407740899886');
INSERT INTO "trial_user_attributes" VALUES(319,35,'step','32');
INSERT INTO "trial_user_attributes" VALUES(320,36,'point','"{\"learning_rate\": 0.00277775122543, \"lr_scheduler_type\": \"linear\", \"r\": 16.0, \"seed\": 1.0}"');
INSERT INTO "trial_user_attributes" VALUES(321,36,'params','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(322,36,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(323,36,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(324,36,'facts','{"seed": 1}');
INSERT INTO "trial_user_attributes" VALUES(325,36,'run','"intents.s1-full-4"');
INSERT INTO "trial_user_attributes" VALUES(326,34,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(327,34,'seconds','496.7083615409938');
INSERT INTO "trial_user_attributes" VALUES(328,34,'step','32');
INSERT INTO "trial_user_attributes" VALUES(329,37,'point','"{\"learning_rate\": 0.00241285873819, \"lr_scheduler_type\": \"linear\", \"r\": 16.0, \"seed\": 1.0}"');
INSERT INTO "trial_user_attributes" VALUES(330,37,'params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(331,37,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(332,37,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(333,37,'facts','{"seed": 1}');
INSERT INTO "trial_user_attributes" VALUES(334,37,'run','"intents.s1-full-5"');
INSERT INTO "trial_user_attributes" VALUES(335,37,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(336,37,'seconds','571.0266742999956');
INSERT INTO "trial_user_attributes" VALUES(337,37,'step','32');
INSERT INTO "trial_user_attributes" VALUES(338,38,'point','"{\"learning_rate\": 1e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 16.0, \"seed\": 2.0}"');
INSERT INTO "trial_user_attributes" VALUES(339,38,'params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(340,38,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(341,38,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(342,38,'facts','{"seed": 2}');
INSERT INTO "trial_user_attributes" VALUES(343,38,'run','"intents.s1-full-6"');
INSERT INTO "trial_user_attributes" VALUES(344,36,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(345,36,'seconds','577.2814003319945');
INSERT INTO "trial_user_attributes" VALUES(346,36,'step','32');
INSERT INTO "trial_user_attributes" VALUES(347,39,'point','"{\"learning_rate\": 0.00277775122543, \"lr_scheduler_type\": \"linear\", \"r\": 16.0, \"seed\": 2.0}"');
INSERT INTO "trial_user_attributes" VALUES(348,39,'params','{"r": 16, "learning_rate": 0.002777751225432282, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(349,39,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(350,39,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(351,39,'facts','{"seed": 2}');
INSERT INTO "trial_user_attributes" VALUES(352,39,'run','"intents.s1-full-7"');
INSERT INTO "trial_user_attributes" VALUES(353,38,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(354,38,'seconds','505.3305456340022');
INSERT INTO "trial_user_attributes" VALUES(355,38,'step','32');
INSERT INTO "trial_user_attributes" VALUES(356,40,'point','"{\"learning_rate\": 0.00241285873819, \"lr_scheduler_type\": \"linear\", \"r\": 16.0, \"seed\": 2.0}"');
INSERT INTO "trial_user_attributes" VALUES(357,40,'params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(358,40,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(359,40,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(360,40,'facts','{"seed": 2}');
INSERT INTO "trial_user_attributes" VALUES(361,40,'run','"intents.s1-full-8"');
INSERT INTO "trial_user_attributes" VALUES(362,39,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(363,39,'seconds','501.44231391600624');
INSERT INTO "trial_user_attributes" VALUES(364,39,'step','32');
INSERT INTO "trial_user_attributes" VALUES(365,40,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(366,40,'seconds','288.6759353719972');
INSERT INTO "trial_user_attributes" VALUES(367,40,'step','32');
INSERT INTO "trial_user_attributes" VALUES(368,41,'point','"{\"learning_rate\": 1e-05, \"lr_scheduler_type\": \"cosine\", \"metric\": \"exact_match\", \"r\": 16.0, \"seed\": 3.0}"');
INSERT INTO "trial_user_attributes" VALUES(369,41,'params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(370,41,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(371,41,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(372,41,'facts','{"seed": 3, "metric": "exact_match"}');
INSERT INTO "trial_user_attributes" VALUES(373,41,'run','"intents.s1-fresh-0"');
INSERT INTO "trial_user_attributes" VALUES(374,42,'point','"{\"learning_rate\": 0.00241285873819, \"lr_scheduler_type\": \"linear\", \"metric\": \"exact_match\", \"r\": 16.0, \"seed\": 3.0}"');
INSERT INTO "trial_user_attributes" VALUES(375,42,'params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(376,42,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(377,42,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(378,42,'facts','{"seed": 3, "metric": "exact_match"}');
INSERT INTO "trial_user_attributes" VALUES(379,42,'run','"intents.s1-fresh-1"');
INSERT INTO "trial_user_attributes" VALUES(380,42,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(381,42,'seconds','498.8388920780126');
INSERT INTO "trial_user_attributes" VALUES(382,42,'validation','0.062204502522945404');
INSERT INTO "trial_user_attributes" VALUES(383,42,'step','32');
INSERT INTO "trial_user_attributes" VALUES(384,42,'measured','[0.062204502522945404]');
INSERT INTO "trial_user_attributes" VALUES(385,42,'scores','{"3c0eadd90d82": 1.0, "787dd884aac5": 1.0, "8b18d13c3e80": 1.0, "132fc76528e0": 1.0, "80b9ba31b3ab": 1.0, "5d8f6044b7e2": 1.0, "bc8a74292c99": 1.0, "43145bf68ac6": 1.0, "e81c90a3d821": 1.0, "35bd7a3dc1e7": 1.0, "f2e6eb0e3045": 1.0, "e827529f1e6b": 1.0, "99fa83e352bf": 1.0, "32c00c33e66a": 1.0, "782959a5b2d5": 1.0, "3c61f553d77e": 1.0, "4d1f77e8ba40": 1.0, "1b0b0df6ee5b": 1.0, "c89f98c7d2c0": 1.0, "cf4a5d0f9c98": 0.0, "728ee79e1b2d": 1.0, "0ac1338b3bc9": 1.0, "771dc0a8699b": 1.0, "b644842e73a3": 1.0, "e62c24b3945b": 1.0, "4fed597fc71c": 1.0, "d5a5a15f57da": 1.0, "09615556c2b5": 0.0, "1ac838a39df6": 1.0, "68e5d49027b3": 1.0, "e97c7b13dd4a": 1.0, "a6981784993c": 1.0, "fd7165e753f6": 1.0, "b013381d6926": 1.0, "f7c98bfb6f3e": 0.0, "073ca4d693a8": 1.0, "6dac4b2edd6a": 0.0, "0796ec517d9b": 1.0, "c9fcb795161f": 1.0, "7f1d80e891ad": 1.0, "8eb44a891278": 1.0, "66adf7b8ff37": 1.0, "e04c58c0b8ac": 1.0, "ac8bc28ef525": 1.0, "5583b14857d9": 1.0, "366d1211a998": 1.0, "63e29c097f41": 0.0, "6f2b45b2f30d": 1.0, "74708fb63340": 1.0, "b7a8b2a75091": 0.0, "1c0058d3723b": 1.0, "dff08cb66dbb": 1.0, "2d40463af1d5": 1.0, "4087feb84f76": 1.0, "d6e843c3907a": 0.0, "8598d8e4e124": 0.0, "0db7a0d24a53": 0.0, "ed229a53f00b": 1.0, "ff076f0a3497": 1.0, "f898500b6f40": 1.0, "7544d4a82bba": 0.0, "9e5472c4a98d": 1.0, "c8a18d1b5777": 0.0, "8bd360119ab5": 1.0, "3d62ee1719af": 1.0, "17a85f4292a5": 0.0, "0b3438fd8263": 0.0, "c722d4ad9173": 0.0, "3634a901bc97": 1.0, "f824bf7b618c": 1.0, "7c7e5de1896b": 1.0, "757ac35bc326": 1.0, "ff60cb1c44d4": 0.0, "049747f04472": 0.0, "46a652d44f7c": 1.0, "9b0060dcbf58": 1.0, "a8a58101aec2": 1.0, "52998e03cd69": 1.0, "a40849448305": 1.0, "405ec2f9e26f": 1.0, "f154cf392060": 1.0, "45326b3135e2": 1.0, "8ba32d9e7b40": 1.0, "d0d6c5292e25": 1.0, "04c74c726c4b": 0.0, "c677f93cef02": 1.0, "faecbe249258": 1.0, "c4015ad3fe14": 1.0, "c5fca30efbd6": 1.0, "6ad3f8d22712": 1.0, "f040ea420bb9": 1.0, "dd119ba750f8": 1.0, "996cacebf9ec": 1.0, "fc4e64051388": 1.0, "7452dd669515": 1.0, "89d0f3b718bf": 1.0, "fd59250e8c67": 1.0, "07146f2495a2": 1.0, "12a618e4cb9c": 1.0, "2953f61d171b": 1.0, "1bc15aeb9dfd": 1.0, "110f2c485975": 1.0, "0fc7347503c2": 1.0, "3a0af33a5768": 1.0, "2d1037442cd0": 1.0, "b1d0782dda8d": 1.0, "06acf3504d81": 1.0, "2ae2fd162ef6": 1.0, "c5bcd2d45998": 1.0, "48ea209ba56a": 1.0, "74170f281c8f": 1.0, "e844cb3c4179": 1.0, "8308f120a706": 1.0, "8b0020c6284e": 1.0, "76a0ed61e773": 1.0, "cba9a97cde63": 1.0, "86a903701b5e": 1.0, "4177662d772e": 1.0, "a67a386285f6": 1.0, "018cc1d34682": 1.0, "2652f1f2a9be": 1.0, "ce27364e867a": 1.0, "5b17d92a1247": 1.0, "5dad7c0d84e5": 1.0, "c8550f0a3d18": 1.0, "69572f61a87b": 1.0, "1606fbf6c2bb": 1.0, "e6c30dc223a8": 1.0, "7ca2177e3967": 1.0, "f5e2ca1a33ef": 1.0, "bbff5ad7ab63": 0.0, "bcf14fb3d577": 1.0, "5cbc7046bf86": 1.0, "a0e3f6388164": 1.0, "d1b4c41eae63": 0.0, "b8b6ab71974f": 1.0, "99abcc856380": 1.0, "914d5bd16ec1": 1.0, "46b34ab1e9e4": 1.0, "3dc34347917c": 1.0, "8a159c90e44f": 1.0, "fbd2cc0c7284": 1.0, "283664b1cd60": 0.0, "792b6e5b4784": 1.0, "03d0398d72f8": 1.0, "7dcf4d497613": 1.0, "91ee40e93052": 1.0, "6e75085cf16e": 1.0, "77bcf6f83c8a": 1.0, "260002f24daa": 1.0, "92a0089ef8a1": 1.0, "494a650c1ddd": 1.0, "c20e3ed93332": 1.0, "3bae2a12a50c": 1.0, "96c744f609d5": 1.0, "f3757f30a3e7": 1.0, "dd5cfeef1d65": 1.0, "df0a559a4ce0": 1.0, "3cc5be4882fe": 1.0, "1cee11d3aabb": 0.0, "f2c629c7ed6b": 1.0, "58452436548f": 1.0, "c65795d6259f": 1.0, "5d4ba79afe66": 1.0, "176d220c53be": 1.0, "fca57ed11684": 1.0, "018ed6761958": 1.0, "29534a206ce3": 1.0, "99dda5559ea1": 1.0, "2206744a9a2a": 0.0, "a7fe89edb7ea": 1.0, "9537c1310607": 1.0, "1902a01d501b": 1.0, "78855a347c78": 1.0, "8ea8208893c4": 1.0, "0ae79fed7253": 1.0, "8822226d539b": 1.0, "67c8f6ea6065": 1.0, "3358f22c41b7": 1.0, "2cdef5ca329e": 1.0, "67bb29d69e14": 1.0, "4d4f4a730301": 1.0, "96cf71248bd9": 1.0, "9f9862afaebe": 1.0, "7108f3b12ef5": 1.0, "fae7f82a7d35": 1.0, "92ecc50b2cf3": 1.0, "e462de5dd23d": 1.0, "c5cbeffc2353": 1.0, "c270ff7d66da": 1.0, "00577e8cb200": 1.0, "3b7b80e62931": 1.0, "13a2fb20ede0": 1.0, "2701beb8dced": 1.0, "12e276553aa5": 1.0, "105b754104c2": 1.0, "610de082ac5b": 1.0, "1891cb0d6105": 1.0, "684c53636b33": 1.0, "f5d6b108e86c": 1.0}');
INSERT INTO "trial_user_attributes" VALUES(386,43,'point','"{\"learning_rate\": 1e-05, \"lr_scheduler_type\": \"cosine\", \"metric\": \"exact_match\", \"r\": 16.0, \"seed\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(387,43,'params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(388,43,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(389,43,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(390,43,'facts','{"seed": 4, "metric": "exact_match"}');
INSERT INTO "trial_user_attributes" VALUES(391,43,'run','"intents.s1-fresh-2"');
INSERT INTO "trial_user_attributes" VALUES(392,41,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(393,41,'seconds','543.8580785039958');
INSERT INTO "trial_user_attributes" VALUES(394,41,'validation','5.022136688232422');
INSERT INTO "trial_user_attributes" VALUES(395,41,'step','32');
INSERT INTO "trial_user_attributes" VALUES(396,41,'measured','[5.022136688232422]');
INSERT INTO "trial_user_attributes" VALUES(397,41,'scores','{"3c0eadd90d82": 0.0, "787dd884aac5": 0.0, "8b18d13c3e80": 0.0, "132fc76528e0": 0.0, "80b9ba31b3ab": 0.0, "5d8f6044b7e2": 0.0, "bc8a74292c99": 0.0, "43145bf68ac6": 0.0, "e81c90a3d821": 0.0, "35bd7a3dc1e7": 0.0, "f2e6eb0e3045": 0.0, "e827529f1e6b": 0.0, "99fa83e352bf": 0.0, "32c00c33e66a": 0.0, "782959a5b2d5": 0.0, "3c61f553d77e": 0.0, "4d1f77e8ba40": 0.0, "1b0b0df6ee5b": 0.0, "c89f98c7d2c0": 0.0, "cf4a5d0f9c98": 0.0, "728ee79e1b2d": 0.0, "0ac1338b3bc9": 0.0, "771dc0a8699b": 0.0, "b644842e73a3": 0.0, "e62c24b3945b": 0.0, "4fed597fc71c": 0.0, "d5a5a15f57da": 0.0, "09615556c2b5": 0.0, "1ac838a39df6": 0.0, "68e5d49027b3": 0.0, "e97c7b13dd4a": 0.0, "a6981784993c": 0.0, "fd7165e753f6": 0.0, "b013381d6926": 0.0, "f7c98bfb6f3e": 0.0, "073ca4d693a8": 0.0, "6dac4b2edd6a": 0.0, "0796ec517d9b": 0.0, "c9fcb795161f": 0.0, "7f1d80e891ad": 0.0, "8eb44a891278": 0.0, "66adf7b8ff37": 0.0, "e04c58c0b8ac": 0.0, "ac8bc28ef525": 0.0, "5583b14857d9": 0.0, "366d1211a998": 0.0, "63e29c097f41": 0.0, "6f2b45b2f30d": 0.0, "74708fb63340": 0.0, "b7a8b2a75091": 0.0, "1c0058d3723b": 0.0, "dff08cb66dbb": 0.0, "2d40463af1d5": 0.0, "4087feb84f76": 0.0, "d6e843c3907a": 0.0, "8598d8e4e124": 0.0, "0db7a0d24a53": 0.0, "ed229a53f00b": 0.0, "ff076f0a3497": 0.0, "f898500b6f40": 0.0, "7544d4a82bba": 0.0, "9e5472c4a98d": 0.0, "c8a18d1b5777": 0.0, "8bd360119ab5": 0.0, "3d62ee1719af": 0.0, "17a85f4292a5": 0.0, "0b3438fd8263": 0.0, "c722d4ad9173": 0.0, "3634a901bc97": 0.0, "f824bf7b618c": 0.0, "7c7e5de1896b": 0.0, "757ac35bc326": 0.0, "ff60cb1c44d4": 0.0, "049747f04472": 0.0, "46a652d44f7c": 0.0, "9b0060dcbf58": 0.0, "a8a58101aec2": 0.0, "52998e03cd69": 0.0, "a40849448305": 0.0, "405ec2f9e26f": 0.0, "f154cf392060": 0.0, "45326b3135e2": 0.0, "8ba32d9e7b40": 0.0, "d0d6c5292e25": 0.0, "04c74c726c4b": 0.0, "c677f93cef02": 0.0, "faecbe249258": 0.0, "c4015ad3fe14": 0.0, "c5fca30efbd6": 0.0, "6ad3f8d22712": 0.0, "f040ea420bb9": 0.0, "dd119ba750f8": 0.0, "996cacebf9ec": 0.0, "fc4e64051388": 0.0, "7452dd669515": 0.0, "89d0f3b718bf": 0.0, "fd59250e8c67": 0.0, "07146f2495a2": 0.0, "12a618e4cb9c": 0.0, "2953f61d171b": 0.0, "1bc15aeb9dfd": 0.0, "110f2c485975": 0.0, "0fc7347503c2": 0.0, "3a0af33a5768": 0.0, "2d1037442cd0": 0.0, "b1d0782dda8d": 0.0, "06acf3504d81": 0.0, "2ae2fd162ef6": 0.0, "c5bcd2d45998": 0.0, "48ea209ba56a": 0.0, "74170f281c8f": 0.0, "e844cb3c4179": 0.0, "8308f120a706": 0.0, "8b0020c6284e": 0.0, "76a0ed61e773": 0.0, "cba9a97cde63": 0.0, "86a903701b5e": 0.0, "4177662d772e": 0.0, "a67a386285f6": 0.0, "018cc1d34682": 0.0, "2652f1f2a9be": 0.0, "ce27364e867a": 0.0, "5b17d92a1247": 0.0, "5dad7c0d84e5": 0.0, "c8550f0a3d18": 0.0, "69572f61a87b": 0.0, "1606fbf6c2bb": 0.0, "e6c30dc223a8": 0.0, "7ca2177e3967": 0.0, "f5e2ca1a33ef": 0.0, "bbff5ad7ab63": 0.0, "bcf14fb3d577": 0.0, "5cbc7046bf86": 0.0, "a0e3f6388164": 0.0, "d1b4c41eae63": 0.0, "b8b6ab71974f": 0.0, "99abcc856380": 0.0, "914d5bd16ec1": 0.0, "46b34ab1e9e4": 0.0, "3dc34347917c": 0.0, "8a159c90e44f": 0.0, "fbd2cc0c7284": 0.0, "283664b1cd60": 0.0, "792b6e5b4784": 0.0, "03d0398d72f8": 0.0, "7dcf4d497613": 0.0, "91ee40e93052": 0.0, "6e75085cf16e": 0.0, "77bcf6f83c8a": 0.0, "260002f24daa": 0.0, "92a0089ef8a1": 0.0, "494a650c1ddd": 0.0, "c20e3ed93332": 0.0, "3bae2a12a50c": 0.0, "96c744f609d5": 0.0, "f3757f30a3e7": 0.0, "dd5cfeef1d65": 0.0, "df0a559a4ce0": 0.0, "3cc5be4882fe": 0.0, "1cee11d3aabb": 0.0, "f2c629c7ed6b": 0.0, "58452436548f": 0.0, "c65795d6259f": 0.0, "5d4ba79afe66": 0.0, "176d220c53be": 0.0, "fca57ed11684": 0.0, "018ed6761958": 0.0, "29534a206ce3": 0.0, "99dda5559ea1": 0.0, "2206744a9a2a": 0.0, "a7fe89edb7ea": 0.0, "9537c1310607": 0.0, "1902a01d501b": 0.0, "78855a347c78": 0.0, "8ea8208893c4": 0.0, "0ae79fed7253": 0.0, "8822226d539b": 0.0, "67c8f6ea6065": 0.0, "3358f22c41b7": 0.0, "2cdef5ca329e": 0.0, "67bb29d69e14": 0.0, "4d4f4a730301": 0.0, "96cf71248bd9": 0.0, "9f9862afaebe": 0.0, "7108f3b12ef5": 0.0, "fae7f82a7d35": 0.0, "92ecc50b2cf3": 0.0, "e462de5dd23d": 0.0, "c5cbeffc2353": 0.0, "c270ff7d66da": 0.0, "00577e8cb200": 0.0, "3b7b80e62931": 0.0, "13a2fb20ede0": 0.0, "2701beb8dced": 0.0, "12e276553aa5": 0.0, "105b754104c2": 0.0, "610de082ac5b": 0.0, "1891cb0d6105": 0.0, "684c53636b33": 0.0, "f5d6b108e86c": 0.0}');
INSERT INTO "trial_user_attributes" VALUES(398,44,'point','"{\"learning_rate\": 0.00241285873819, \"lr_scheduler_type\": \"linear\", \"metric\": \"exact_match\", \"r\": 16.0, \"seed\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(399,44,'params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(400,44,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(401,44,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(402,44,'facts','{"seed": 4, "metric": "exact_match"}');
INSERT INTO "trial_user_attributes" VALUES(403,44,'run','"intents.s1-fresh-3"');
INSERT INTO "trial_user_attributes" VALUES(404,43,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(405,43,'seconds','481.64989383700595');
INSERT INTO "trial_user_attributes" VALUES(406,43,'validation','5.013903617858887');
INSERT INTO "trial_user_attributes" VALUES(407,43,'step','32');
INSERT INTO "trial_user_attributes" VALUES(408,43,'measured','[5.013903617858887]');
INSERT INTO "trial_user_attributes" VALUES(409,43,'scores','{"3c0eadd90d82": 0.0, "787dd884aac5": 0.0, "8b18d13c3e80": 0.0, "132fc76528e0": 0.0, "80b9ba31b3ab": 0.0, "5d8f6044b7e2": 0.0, "bc8a74292c99": 0.0, "43145bf68ac6": 0.0, "e81c90a3d821": 0.0, "35bd7a3dc1e7": 0.0, "f2e6eb0e3045": 0.0, "e827529f1e6b": 0.0, "99fa83e352bf": 0.0, "32c00c33e66a": 0.0, "782959a5b2d5": 0.0, "3c61f553d77e": 0.0, "4d1f77e8ba40": 0.0, "1b0b0df6ee5b": 0.0, "c89f98c7d2c0": 0.0, "cf4a5d0f9c98": 0.0, "728ee79e1b2d": 0.0, "0ac1338b3bc9": 0.0, "771dc0a8699b": 0.0, "b644842e73a3": 0.0, "e62c24b3945b": 0.0, "4fed597fc71c": 0.0, "d5a5a15f57da": 0.0, "09615556c2b5": 0.0, "1ac838a39df6": 0.0, "68e5d49027b3": 0.0, "e97c7b13dd4a": 0.0, "a6981784993c": 0.0, "fd7165e753f6": 0.0, "b013381d6926": 0.0, "f7c98bfb6f3e": 0.0, "073ca4d693a8": 0.0, "6dac4b2edd6a": 0.0, "0796ec517d9b": 0.0, "c9fcb795161f": 0.0, "7f1d80e891ad": 0.0, "8eb44a891278": 0.0, "66adf7b8ff37": 0.0, "e04c58c0b8ac": 0.0, "ac8bc28ef525": 0.0, "5583b14857d9": 0.0, "366d1211a998": 0.0, "63e29c097f41": 0.0, "6f2b45b2f30d": 0.0, "74708fb63340": 0.0, "b7a8b2a75091": 0.0, "1c0058d3723b": 0.0, "dff08cb66dbb": 0.0, "2d40463af1d5": 0.0, "4087feb84f76": 0.0, "d6e843c3907a": 0.0, "8598d8e4e124": 0.0, "0db7a0d24a53": 0.0, "ed229a53f00b": 0.0, "ff076f0a3497": 0.0, "f898500b6f40": 0.0, "7544d4a82bba": 0.0, "9e5472c4a98d": 0.0, "c8a18d1b5777": 0.0, "8bd360119ab5": 0.0, "3d62ee1719af": 0.0, "17a85f4292a5": 0.0, "0b3438fd8263": 0.0, "c722d4ad9173": 0.0, "3634a901bc97": 0.0, "f824bf7b618c": 0.0, "7c7e5de1896b": 0.0, "757ac35bc326": 0.0, "ff60cb1c44d4": 0.0, "049747f04472": 0.0, "46a652d44f7c": 0.0, "9b0060dcbf58": 0.0, "a8a58101aec2": 0.0, "52998e03cd69": 0.0, "a40849448305": 0.0, "405ec2f9e26f": 0.0, "f154cf392060": 0.0, "45326b3135e2": 0.0, "8ba32d9e7b40": 0.0, "d0d6c5292e25": 0.0, "04c74c726c4b": 0.0, "c677f93cef02": 0.0, "faecbe249258": 0.0, "c4015ad3fe14": 0.0, "c5fca30efbd6": 0.0, "6ad3f8d22712": 0.0, "f040ea420bb9": 0.0, "dd119ba750f8": 0.0, "996cacebf9ec": 0.0, "fc4e64051388": 0.0, "7452dd669515": 0.0, "89d0f3b718bf": 0.0, "fd59250e8c67": 0.0, "07146f2495a2": 0.0, "12a618e4cb9c": 0.0, "2953f61d171b": 0.0, "1bc15aeb9dfd": 0.0, "110f2c485975": 0.0, "0fc7347503c2": 0.0, "3a0af33a5768": 0.0, "2d1037442cd0": 0.0, "b1d0782dda8d": 0.0, "06acf3504d81": 0.0, "2ae2fd162ef6": 0.0, "c5bcd2d45998": 0.0, "48ea209ba56a": 0.0, "74170f281c8f": 0.0, "e844cb3c4179": 0.0, "8308f120a706": 0.0, "8b0020c6284e": 0.0, "76a0ed61e773": 0.0, "cba9a97cde63": 0.0, "86a903701b5e": 0.0, "4177662d772e": 0.0, "a67a386285f6": 0.0, "018cc1d34682": 0.0, "2652f1f2a9be": 0.0, "ce27364e867a": 0.0, "5b17d92a1247": 0.0, "5dad7c0d84e5": 0.0, "c8550f0a3d18": 0.0, "69572f61a87b": 0.0, "1606fbf6c2bb": 0.0, "e6c30dc223a8": 0.0, "7ca2177e3967": 0.0, "f5e2ca1a33ef": 0.0, "bbff5ad7ab63": 0.0, "bcf14fb3d577": 0.0, "5cbc7046bf86": 0.0, "a0e3f6388164": 0.0, "d1b4c41eae63": 0.0, "b8b6ab71974f": 0.0, "99abcc856380": 0.0, "914d5bd16ec1": 0.0, "46b34ab1e9e4": 0.0, "3dc34347917c": 0.0, "8a159c90e44f": 0.0, "fbd2cc0c7284": 0.0, "283664b1cd60": 0.0, "792b6e5b4784": 0.0, "03d0398d72f8": 0.0, "7dcf4d497613": 0.0, "91ee40e93052": 0.0, "6e75085cf16e": 0.0, "77bcf6f83c8a": 0.0, "260002f24daa": 0.0, "92a0089ef8a1": 0.0, "494a650c1ddd": 0.0, "c20e3ed93332": 0.0, "3bae2a12a50c": 0.0, "96c744f609d5": 0.0, "f3757f30a3e7": 0.0, "dd5cfeef1d65": 0.0, "df0a559a4ce0": 0.0, "3cc5be4882fe": 0.0, "1cee11d3aabb": 0.0, "f2c629c7ed6b": 0.0, "58452436548f": 0.0, "c65795d6259f": 0.0, "5d4ba79afe66": 0.0, "176d220c53be": 0.0, "fca57ed11684": 0.0, "018ed6761958": 0.0, "29534a206ce3": 0.0, "99dda5559ea1": 0.0, "2206744a9a2a": 0.0, "a7fe89edb7ea": 0.0, "9537c1310607": 0.0, "1902a01d501b": 0.0, "78855a347c78": 0.0, "8ea8208893c4": 0.0, "0ae79fed7253": 0.0, "8822226d539b": 0.0, "67c8f6ea6065": 0.0, "3358f22c41b7": 0.0, "2cdef5ca329e": 0.0, "67bb29d69e14": 0.0, "4d4f4a730301": 0.0, "96cf71248bd9": 0.0, "9f9862afaebe": 0.0, "7108f3b12ef5": 0.0, "fae7f82a7d35": 0.0, "92ecc50b2cf3": 0.0, "e462de5dd23d": 0.0, "c5cbeffc2353": 0.0, "c270ff7d66da": 0.0, "00577e8cb200": 0.0, "3b7b80e62931": 0.0, "13a2fb20ede0": 0.0, "2701beb8dced": 0.0, "12e276553aa5": 0.0, "105b754104c2": 0.0, "610de082ac5b": 0.0, "1891cb0d6105": 0.0, "684c53636b33": 0.0, "f5d6b108e86c": 0.0}');
INSERT INTO "trial_user_attributes" VALUES(410,45,'point','"{\"learning_rate\": 1e-05, \"lr_scheduler_type\": \"cosine\", \"metric\": \"exact_match\", \"r\": 16.0, \"seed\": 5.0}"');
INSERT INTO "trial_user_attributes" VALUES(411,45,'params','{"r": 16, "learning_rate": 1e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(412,45,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(413,45,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(414,45,'facts','{"seed": 5, "metric": "exact_match"}');
INSERT INTO "trial_user_attributes" VALUES(415,45,'run','"intents.s1-fresh-4"');
INSERT INTO "trial_user_attributes" VALUES(416,44,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(417,44,'seconds','446.17693769099424');
INSERT INTO "trial_user_attributes" VALUES(418,44,'validation','0.03743802756071091');
INSERT INTO "trial_user_attributes" VALUES(419,44,'step','32');
INSERT INTO "trial_user_attributes" VALUES(420,44,'measured','[0.03743802756071091]');
INSERT INTO "trial_user_attributes" VALUES(421,44,'scores','{"3c0eadd90d82": 1.0, "787dd884aac5": 1.0, "8b18d13c3e80": 1.0, "132fc76528e0": 1.0, "80b9ba31b3ab": 1.0, "5d8f6044b7e2": 1.0, "bc8a74292c99": 1.0, "43145bf68ac6": 1.0, "e81c90a3d821": 1.0, "35bd7a3dc1e7": 1.0, "f2e6eb0e3045": 1.0, "e827529f1e6b": 0.0, "99fa83e352bf": 0.0, "32c00c33e66a": 1.0, "782959a5b2d5": 1.0, "3c61f553d77e": 1.0, "4d1f77e8ba40": 1.0, "1b0b0df6ee5b": 1.0, "c89f98c7d2c0": 1.0, "cf4a5d0f9c98": 0.0, "728ee79e1b2d": 1.0, "0ac1338b3bc9": 1.0, "771dc0a8699b": 1.0, "b644842e73a3": 1.0, "e62c24b3945b": 1.0, "4fed597fc71c": 1.0, "d5a5a15f57da": 1.0, "09615556c2b5": 1.0, "1ac838a39df6": 1.0, "68e5d49027b3": 1.0, "e97c7b13dd4a": 1.0, "a6981784993c": 1.0, "fd7165e753f6": 1.0, "b013381d6926": 1.0, "f7c98bfb6f3e": 1.0, "073ca4d693a8": 1.0, "6dac4b2edd6a": 1.0, "0796ec517d9b": 1.0, "c9fcb795161f": 1.0, "7f1d80e891ad": 1.0, "8eb44a891278": 1.0, "66adf7b8ff37": 1.0, "e04c58c0b8ac": 1.0, "ac8bc28ef525": 1.0, "5583b14857d9": 1.0, "366d1211a998": 1.0, "63e29c097f41": 0.0, "6f2b45b2f30d": 1.0, "74708fb63340": 1.0, "b7a8b2a75091": 1.0, "1c0058d3723b": 1.0, "dff08cb66dbb": 1.0, "2d40463af1d5": 1.0, "4087feb84f76": 1.0, "d6e843c3907a": 0.0, "8598d8e4e124": 0.0, "0db7a0d24a53": 1.0, "ed229a53f00b": 1.0, "ff076f0a3497": 1.0, "f898500b6f40": 1.0, "7544d4a82bba": 0.0, "9e5472c4a98d": 1.0, "c8a18d1b5777": 1.0, "8bd360119ab5": 0.0, "3d62ee1719af": 1.0, "17a85f4292a5": 1.0, "0b3438fd8263": 0.0, "c722d4ad9173": 1.0, "3634a901bc97": 1.0, "f824bf7b618c": 1.0, "7c7e5de1896b": 1.0, "757ac35bc326": 1.0, "ff60cb1c44d4": 1.0, "049747f04472": 0.0, "46a652d44f7c": 1.0, "9b0060dcbf58": 1.0, "a8a58101aec2": 1.0, "52998e03cd69": 1.0, "a40849448305": 1.0, "405ec2f9e26f": 1.0, "f154cf392060": 1.0, "45326b3135e2": 1.0, "8ba32d9e7b40": 1.0, "d0d6c5292e25": 1.0, "04c74c726c4b": 1.0, "c677f93cef02": 1.0, "faecbe249258": 1.0, "c4015ad3fe14": 1.0, "c5fca30efbd6": 1.0, "6ad3f8d22712": 1.0, "f040ea420bb9": 1.0, "dd119ba750f8": 1.0, "996cacebf9ec": 1.0, "fc4e64051388": 1.0, "7452dd669515": 1.0, "89d0f3b718bf": 1.0, "fd59250e8c67": 1.0, "07146f2495a2": 1.0, "12a618e4cb9c": 1.0, "2953f61d171b": 1.0, "1bc15aeb9dfd": 1.0, "110f2c485975": 1.0, "0fc7347503c2": 1.0, "3a0af33a5768": 1.0, "2d1037442cd0": 1.0, "b1d0782dda8d": 1.0, "06acf3504d81": 1.0, "2ae2fd162ef6": 1.0, "c5bcd2d45998": 1.0, "48ea209ba56a": 1.0, "74170f281c8f": 1.0, "e844cb3c4179": 1.0, "8308f120a706": 1.0, "8b0020c6284e": 1.0, "76a0ed61e773": 1.0, "cba9a97cde63": 1.0, "86a903701b5e": 1.0, "4177662d772e": 1.0, "a67a386285f6": 1.0, "018cc1d34682": 1.0, "2652f1f2a9be": 1.0, "ce27364e867a": 1.0, "5b17d92a1247": 1.0, "5dad7c0d84e5": 1.0, "c8550f0a3d18": 1.0, "69572f61a87b": 1.0, "1606fbf6c2bb": 1.0, "e6c30dc223a8": 1.0, "7ca2177e3967": 1.0, "f5e2ca1a33ef": 1.0, "bbff5ad7ab63": 1.0, "bcf14fb3d577": 1.0, "5cbc7046bf86": 1.0, "a0e3f6388164": 1.0, "d1b4c41eae63": 1.0, "b8b6ab71974f": 1.0, "99abcc856380": 0.0, "914d5bd16ec1": 1.0, "46b34ab1e9e4": 1.0, "3dc34347917c": 1.0, "8a159c90e44f": 1.0, "fbd2cc0c7284": 1.0, "283664b1cd60": 0.0, "792b6e5b4784": 1.0, "03d0398d72f8": 1.0, "7dcf4d497613": 1.0, "91ee40e93052": 1.0, "6e75085cf16e": 0.0, "77bcf6f83c8a": 1.0, "260002f24daa": 1.0, "92a0089ef8a1": 1.0, "494a650c1ddd": 1.0, "c20e3ed93332": 1.0, "3bae2a12a50c": 1.0, "96c744f609d5": 1.0, "f3757f30a3e7": 1.0, "dd5cfeef1d65": 1.0, "df0a559a4ce0": 1.0, "3cc5be4882fe": 1.0, "1cee11d3aabb": 0.0, "f2c629c7ed6b": 1.0, "58452436548f": 1.0, "c65795d6259f": 1.0, "5d4ba79afe66": 1.0, "176d220c53be": 1.0, "fca57ed11684": 1.0, "018ed6761958": 1.0, "29534a206ce3": 1.0, "99dda5559ea1": 1.0, "2206744a9a2a": 0.0, "a7fe89edb7ea": 1.0, "9537c1310607": 1.0, "1902a01d501b": 1.0, "78855a347c78": 1.0, "8ea8208893c4": 1.0, "0ae79fed7253": 1.0, "8822226d539b": 1.0, "67c8f6ea6065": 1.0, "3358f22c41b7": 1.0, "2cdef5ca329e": 1.0, "67bb29d69e14": 1.0, "4d4f4a730301": 1.0, "96cf71248bd9": 1.0, "9f9862afaebe": 1.0, "7108f3b12ef5": 1.0, "fae7f82a7d35": 1.0, "92ecc50b2cf3": 1.0, "e462de5dd23d": 1.0, "c5cbeffc2353": 1.0, "c270ff7d66da": 1.0, "00577e8cb200": 1.0, "3b7b80e62931": 1.0, "13a2fb20ede0": 1.0, "2701beb8dced": 1.0, "12e276553aa5": 1.0, "105b754104c2": 1.0, "610de082ac5b": 1.0, "1891cb0d6105": 1.0, "684c53636b33": 1.0, "f5d6b108e86c": 1.0}');
INSERT INTO "trial_user_attributes" VALUES(422,46,'point','"{\"learning_rate\": 0.00241285873819, \"lr_scheduler_type\": \"linear\", \"metric\": \"exact_match\", \"r\": 16.0, \"seed\": 5.0}"');
INSERT INTO "trial_user_attributes" VALUES(423,46,'params','{"r": 16, "learning_rate": 0.0024128587381888923, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(424,46,'drawn','{}');
INSERT INTO "trial_user_attributes" VALUES(425,46,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(426,46,'facts','{"seed": 5, "metric": "exact_match"}');
INSERT INTO "trial_user_attributes" VALUES(427,46,'run','"intents.s1-fresh-5"');
INSERT INTO "trial_user_attributes" VALUES(428,46,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(429,46,'seconds','411.89708406499994');
INSERT INTO "trial_user_attributes" VALUES(430,46,'validation','0.09098688513040543');
INSERT INTO "trial_user_attributes" VALUES(431,46,'step','32');
INSERT INTO "trial_user_attributes" VALUES(432,46,'measured','[0.09098688513040543]');
INSERT INTO "trial_user_attributes" VALUES(433,46,'scores','{"3c0eadd90d82": 1.0, "787dd884aac5": 1.0, "8b18d13c3e80": 1.0, "132fc76528e0": 1.0, "80b9ba31b3ab": 1.0, "5d8f6044b7e2": 1.0, "bc8a74292c99": 1.0, "43145bf68ac6": 1.0, "e81c90a3d821": 1.0, "35bd7a3dc1e7": 1.0, "f2e6eb0e3045": 1.0, "e827529f1e6b": 1.0, "99fa83e352bf": 1.0, "32c00c33e66a": 1.0, "782959a5b2d5": 1.0, "3c61f553d77e": 1.0, "4d1f77e8ba40": 1.0, "1b0b0df6ee5b": 1.0, "c89f98c7d2c0": 1.0, "cf4a5d0f9c98": 1.0, "728ee79e1b2d": 1.0, "0ac1338b3bc9": 1.0, "771dc0a8699b": 0.0, "b644842e73a3": 1.0, "e62c24b3945b": 1.0, "4fed597fc71c": 1.0, "d5a5a15f57da": 1.0, "09615556c2b5": 0.0, "1ac838a39df6": 1.0, "68e5d49027b3": 1.0, "e97c7b13dd4a": 1.0, "a6981784993c": 1.0, "fd7165e753f6": 1.0, "b013381d6926": 0.0, "f7c98bfb6f3e": 1.0, "073ca4d693a8": 0.0, "6dac4b2edd6a": 1.0, "0796ec517d9b": 1.0, "c9fcb795161f": 1.0, "7f1d80e891ad": 1.0, "8eb44a891278": 1.0, "66adf7b8ff37": 1.0, "e04c58c0b8ac": 0.0, "ac8bc28ef525": 0.0, "5583b14857d9": 0.0, "366d1211a998": 1.0, "63e29c097f41": 0.0, "6f2b45b2f30d": 1.0, "74708fb63340": 1.0, "b7a8b2a75091": 0.0, "1c0058d3723b": 0.0, "dff08cb66dbb": 1.0, "2d40463af1d5": 1.0, "4087feb84f76": 0.0, "d6e843c3907a": 0.0, "8598d8e4e124": 0.0, "0db7a0d24a53": 1.0, "ed229a53f00b": 1.0, "ff076f0a3497": 1.0, "f898500b6f40": 1.0, "7544d4a82bba": 1.0, "9e5472c4a98d": 1.0, "c8a18d1b5777": 1.0, "8bd360119ab5": 0.0, "3d62ee1719af": 0.0, "17a85f4292a5": 0.0, "0b3438fd8263": 0.0, "c722d4ad9173": 1.0, "3634a901bc97": 1.0, "f824bf7b618c": 0.0, "7c7e5de1896b": 1.0, "757ac35bc326": 1.0, "ff60cb1c44d4": 1.0, "049747f04472": 0.0, "46a652d44f7c": 1.0, "9b0060dcbf58": 1.0, "a8a58101aec2": 1.0, "52998e03cd69": 1.0, "a40849448305": 1.0, "405ec2f9e26f": 1.0, "f154cf392060": 1.0, "45326b3135e2": 1.0, "8ba32d9e7b40": 1.0, "d0d6c5292e25": 1.0, "04c74c726c4b": 1.0, "c677f93cef02": 1.0, "faecbe249258": 1.0, "c4015ad3fe14": 1.0, "c5fca30efbd6": 1.0, "6ad3f8d22712": 1.0, "f040ea420bb9": 1.0, "dd119ba750f8": 1.0, "996cacebf9ec": 1.0, "fc4e64051388": 1.0, "7452dd669515": 1.0, "89d0f3b718bf": 1.0, "fd59250e8c67": 1.0, "07146f2495a2": 1.0, "12a618e4cb9c": 1.0, "2953f61d171b": 1.0, "1bc15aeb9dfd": 1.0, "110f2c485975": 1.0, "0fc7347503c2": 1.0, "3a0af33a5768": 1.0, "2d1037442cd0": 1.0, "b1d0782dda8d": 1.0, "06acf3504d81": 1.0, "2ae2fd162ef6": 1.0, "c5bcd2d45998": 1.0, "48ea209ba56a": 1.0, "74170f281c8f": 1.0, "e844cb3c4179": 1.0, "8308f120a706": 1.0, "8b0020c6284e": 1.0, "76a0ed61e773": 1.0, "cba9a97cde63": 1.0, "86a903701b5e": 1.0, "4177662d772e": 1.0, "a67a386285f6": 1.0, "018cc1d34682": 1.0, "2652f1f2a9be": 1.0, "ce27364e867a": 1.0, "5b17d92a1247": 1.0, "5dad7c0d84e5": 1.0, "c8550f0a3d18": 1.0, "69572f61a87b": 1.0, "1606fbf6c2bb": 1.0, "e6c30dc223a8": 1.0, "7ca2177e3967": 1.0, "f5e2ca1a33ef": 1.0, "bbff5ad7ab63": 1.0, "bcf14fb3d577": 1.0, "5cbc7046bf86": 1.0, "a0e3f6388164": 1.0, "d1b4c41eae63": 1.0, "b8b6ab71974f": 1.0, "99abcc856380": 0.0, "914d5bd16ec1": 1.0, "46b34ab1e9e4": 1.0, "3dc34347917c": 1.0, "8a159c90e44f": 1.0, "fbd2cc0c7284": 1.0, "283664b1cd60": 0.0, "792b6e5b4784": 1.0, "03d0398d72f8": 1.0, "7dcf4d497613": 1.0, "91ee40e93052": 1.0, "6e75085cf16e": 1.0, "77bcf6f83c8a": 1.0, "260002f24daa": 1.0, "92a0089ef8a1": 1.0, "494a650c1ddd": 1.0, "c20e3ed93332": 1.0, "3bae2a12a50c": 1.0, "96c744f609d5": 1.0, "f3757f30a3e7": 1.0, "dd5cfeef1d65": 1.0, "df0a559a4ce0": 1.0, "3cc5be4882fe": 1.0, "1cee11d3aabb": 1.0, "f2c629c7ed6b": 1.0, "58452436548f": 1.0, "c65795d6259f": 1.0, "5d4ba79afe66": 1.0, "176d220c53be": 1.0, "fca57ed11684": 1.0, "018ed6761958": 1.0, "29534a206ce3": 1.0, "99dda5559ea1": 1.0, "2206744a9a2a": 0.0, "a7fe89edb7ea": 1.0, "9537c1310607": 1.0, "1902a01d501b": 1.0, "78855a347c78": 1.0, "8ea8208893c4": 1.0, "0ae79fed7253": 1.0, "8822226d539b": 1.0, "67c8f6ea6065": 1.0, "3358f22c41b7": 1.0, "2cdef5ca329e": 1.0, "67bb29d69e14": 1.0, "4d4f4a730301": 1.0, "96cf71248bd9": 1.0, "9f9862afaebe": 1.0, "7108f3b12ef5": 1.0, "fae7f82a7d35": 1.0, "92ecc50b2cf3": 1.0, "e462de5dd23d": 1.0, "c5cbeffc2353": 1.0, "c270ff7d66da": 1.0, "00577e8cb200": 1.0, "3b7b80e62931": 1.0, "13a2fb20ede0": 1.0, "2701beb8dced": 1.0, "12e276553aa5": 1.0, "105b754104c2": 1.0, "610de082ac5b": 1.0, "1891cb0d6105": 1.0, "684c53636b33": 1.0, "f5d6b108e86c": 1.0}');
INSERT INTO "trial_user_attributes" VALUES(434,45,'outcome','"finished"');
INSERT INTO "trial_user_attributes" VALUES(435,45,'seconds','454.0947892469994');
INSERT INTO "trial_user_attributes" VALUES(436,45,'validation','5.013297080993652');
INSERT INTO "trial_user_attributes" VALUES(437,45,'step','32');
INSERT INTO "trial_user_attributes" VALUES(438,45,'measured','[5.013297080993652]');
INSERT INTO "trial_user_attributes" VALUES(439,45,'scores','{"3c0eadd90d82": 0.0, "787dd884aac5": 0.0, "8b18d13c3e80": 0.0, "132fc76528e0": 0.0, "80b9ba31b3ab": 0.0, "5d8f6044b7e2": 0.0, "bc8a74292c99": 0.0, "43145bf68ac6": 0.0, "e81c90a3d821": 0.0, "35bd7a3dc1e7": 0.0, "f2e6eb0e3045": 0.0, "e827529f1e6b": 0.0, "99fa83e352bf": 0.0, "32c00c33e66a": 0.0, "782959a5b2d5": 0.0, "3c61f553d77e": 0.0, "4d1f77e8ba40": 0.0, "1b0b0df6ee5b": 0.0, "c89f98c7d2c0": 0.0, "cf4a5d0f9c98": 0.0, "728ee79e1b2d": 0.0, "0ac1338b3bc9": 0.0, "771dc0a8699b": 0.0, "b644842e73a3": 0.0, "e62c24b3945b": 0.0, "4fed597fc71c": 0.0, "d5a5a15f57da": 0.0, "09615556c2b5": 0.0, "1ac838a39df6": 0.0, "68e5d49027b3": 0.0, "e97c7b13dd4a": 0.0, "a6981784993c": 0.0, "fd7165e753f6": 0.0, "b013381d6926": 0.0, "f7c98bfb6f3e": 0.0, "073ca4d693a8": 0.0, "6dac4b2edd6a": 0.0, "0796ec517d9b": 0.0, "c9fcb795161f": 0.0, "7f1d80e891ad": 0.0, "8eb44a891278": 0.0, "66adf7b8ff37": 0.0, "e04c58c0b8ac": 0.0, "ac8bc28ef525": 0.0, "5583b14857d9": 0.0, "366d1211a998": 0.0, "63e29c097f41": 0.0, "6f2b45b2f30d": 0.0, "74708fb63340": 0.0, "b7a8b2a75091": 0.0, "1c0058d3723b": 0.0, "dff08cb66dbb": 0.0, "2d40463af1d5": 0.0, "4087feb84f76": 0.0, "d6e843c3907a": 0.0, "8598d8e4e124": 0.0, "0db7a0d24a53": 0.0, "ed229a53f00b": 0.0, "ff076f0a3497": 0.0, "f898500b6f40": 0.0, "7544d4a82bba": 0.0, "9e5472c4a98d": 0.0, "c8a18d1b5777": 0.0, "8bd360119ab5": 0.0, "3d62ee1719af": 0.0, "17a85f4292a5": 0.0, "0b3438fd8263": 0.0, "c722d4ad9173": 0.0, "3634a901bc97": 0.0, "f824bf7b618c": 0.0, "7c7e5de1896b": 0.0, "757ac35bc326": 0.0, "ff60cb1c44d4": 0.0, "049747f04472": 0.0, "46a652d44f7c": 0.0, "9b0060dcbf58": 0.0, "a8a58101aec2": 0.0, "52998e03cd69": 0.0, "a40849448305": 0.0, "405ec2f9e26f": 0.0, "f154cf392060": 0.0, "45326b3135e2": 0.0, "8ba32d9e7b40": 0.0, "d0d6c5292e25": 0.0, "04c74c726c4b": 0.0, "c677f93cef02": 0.0, "faecbe249258": 0.0, "c4015ad3fe14": 0.0, "c5fca30efbd6": 0.0, "6ad3f8d22712": 0.0, "f040ea420bb9": 0.0, "dd119ba750f8": 0.0, "996cacebf9ec": 0.0, "fc4e64051388": 0.0, "7452dd669515": 0.0, "89d0f3b718bf": 0.0, "fd59250e8c67": 0.0, "07146f2495a2": 0.0, "12a618e4cb9c": 0.0, "2953f61d171b": 0.0, "1bc15aeb9dfd": 0.0, "110f2c485975": 0.0, "0fc7347503c2": 0.0, "3a0af33a5768": 0.0, "2d1037442cd0": 0.0, "b1d0782dda8d": 0.0, "06acf3504d81": 0.0, "2ae2fd162ef6": 0.0, "c5bcd2d45998": 0.0, "48ea209ba56a": 0.0, "74170f281c8f": 0.0, "e844cb3c4179": 0.0, "8308f120a706": 0.0, "8b0020c6284e": 0.0, "76a0ed61e773": 0.0, "cba9a97cde63": 0.0, "86a903701b5e": 0.0, "4177662d772e": 0.0, "a67a386285f6": 0.0, "018cc1d34682": 0.0, "2652f1f2a9be": 0.0, "ce27364e867a": 0.0, "5b17d92a1247": 0.0, "5dad7c0d84e5": 0.0, "c8550f0a3d18": 0.0, "69572f61a87b": 0.0, "1606fbf6c2bb": 0.0, "e6c30dc223a8": 0.0, "7ca2177e3967": 0.0, "f5e2ca1a33ef": 0.0, "bbff5ad7ab63": 0.0, "bcf14fb3d577": 0.0, "5cbc7046bf86": 0.0, "a0e3f6388164": 0.0, "d1b4c41eae63": 0.0, "b8b6ab71974f": 0.0, "99abcc856380": 0.0, "914d5bd16ec1": 0.0, "46b34ab1e9e4": 0.0, "3dc34347917c": 0.0, "8a159c90e44f": 0.0, "fbd2cc0c7284": 0.0, "283664b1cd60": 0.0, "792b6e5b4784": 0.0, "03d0398d72f8": 0.0, "7dcf4d497613": 0.0, "91ee40e93052": 0.0, "6e75085cf16e": 0.0, "77bcf6f83c8a": 0.0, "260002f24daa": 0.0, "92a0089ef8a1": 0.0, "494a650c1ddd": 0.0, "c20e3ed93332": 0.0, "3bae2a12a50c": 0.0, "96c744f609d5": 0.0, "f3757f30a3e7": 0.0, "dd5cfeef1d65": 0.0, "df0a559a4ce0": 0.0, "3cc5be4882fe": 0.0, "1cee11d3aabb": 0.0, "f2c629c7ed6b": 0.0, "58452436548f": 0.0, "c65795d6259f": 0.0, "5d4ba79afe66": 0.0, "176d220c53be": 0.0, "fca57ed11684": 0.0, "018ed6761958": 0.0, "29534a206ce3": 0.0, "99dda5559ea1": 0.0, "2206744a9a2a": 0.0, "a7fe89edb7ea": 0.0, "9537c1310607": 0.0, "1902a01d501b": 0.0, "78855a347c78": 0.0, "8ea8208893c4": 0.0, "0ae79fed7253": 0.0, "8822226d539b": 0.0, "67c8f6ea6065": 0.0, "3358f22c41b7": 0.0, "2cdef5ca329e": 0.0, "67bb29d69e14": 0.0, "4d4f4a730301": 0.0, "96cf71248bd9": 0.0, "9f9862afaebe": 0.0, "7108f3b12ef5": 0.0, "fae7f82a7d35": 0.0, "92ecc50b2cf3": 0.0, "e462de5dd23d": 0.0, "c5cbeffc2353": 0.0, "c270ff7d66da": 0.0, "00577e8cb200": 0.0, "3b7b80e62931": 0.0, "13a2fb20ede0": 0.0, "2701beb8dced": 0.0, "12e276553aa5": 0.0, "105b754104c2": 0.0, "610de082ac5b": 0.0, "1891cb0d6105": 0.0, "684c53636b33": 0.0, "f5d6b108e86c": 0.0}');
INSERT INTO "trial_user_attributes" VALUES(440,47,'point','"{\"learning_rate\": 0.000936092587003, \"lr_scheduler_type\": \"cosine\", \"r\": 32.0}"');
INSERT INTO "trial_user_attributes" VALUES(441,47,'params','{"r": 32, "learning_rate": 0.0009360925870032016, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(442,47,'drawn','{"r": 32, "learning_rate": 0.0009360925870032016, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(443,47,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(444,47,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(445,47,'run','"intents.s1-trial-31"');
INSERT INTO "trial_user_attributes" VALUES(446,48,'point','"{\"learning_rate\": 0.000124762290601, \"lr_scheduler_type\": \"cosine\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(447,48,'params','{"r": 4, "learning_rate": 0.00012476229060096682, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(448,48,'drawn','{"r": 4, "learning_rate": 0.00012476229060096682, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(449,48,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(450,48,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(451,48,'run','"intents.s1-trial-32"');
INSERT INTO "trial_user_attributes" VALUES(452,48,'seconds','35.222081576001074');
INSERT INTO "trial_user_attributes" VALUES(453,48,'outcome','"pruned"');
INSERT INTO "trial_user_attributes" VALUES(454,48,'reason','"pruned after 25 %: validation loss 5.148 is behind other trials"');
INSERT INTO "trial_user_attributes" VALUES(455,49,'point','"{\"learning_rate\": 0.000127643190303, \"lr_scheduler_type\": \"linear\", \"r\": 8.0}"');
INSERT INTO "trial_user_attributes" VALUES(456,49,'params','{"r": 8, "learning_rate": 0.00012764319030345036, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(457,49,'drawn','{"r": 8, "learning_rate": 0.00012764319030345036, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(458,49,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(459,49,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(460,49,'run','"intents.s1-trial-33"');
INSERT INTO "trial_user_attributes" VALUES(461,47,'seconds','36.79450836700016');
INSERT INTO "trial_user_attributes" VALUES(462,47,'outcome','"pruned"');
INSERT INTO "trial_user_attributes" VALUES(463,47,'reason','"pruned after 25 %: validation loss 3.784 is behind other trials"');
INSERT INTO "trial_user_attributes" VALUES(464,50,'point','"{\"learning_rate\": 2.33540915178e-05, \"lr_scheduler_type\": \"cosine\", \"r\": 32.0}"');
INSERT INTO "trial_user_attributes" VALUES(465,50,'params','{"r": 32, "learning_rate": 2.335409151775717e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(466,50,'drawn','{"r": 32, "learning_rate": 2.335409151775717e-05, "lr_scheduler_type": "cosine"}');
INSERT INTO "trial_user_attributes" VALUES(467,50,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(468,50,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(469,50,'run','"intents.s1-trial-34"');
INSERT INTO "trial_user_attributes" VALUES(470,49,'seconds','23.713343249999525');
INSERT INTO "trial_user_attributes" VALUES(471,49,'outcome','"pruned"');
INSERT INTO "trial_user_attributes" VALUES(472,49,'reason','"pruned after 25 %: validation loss 5.142 is behind other trials"');
INSERT INTO "trial_user_attributes" VALUES(473,51,'point','"{\"learning_rate\": 0.000140895323881, \"lr_scheduler_type\": \"linear\", \"r\": 4.0}"');
INSERT INTO "trial_user_attributes" VALUES(474,51,'params','{"r": 4, "learning_rate": 0.0001408953238808116, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(475,51,'drawn','{"r": 4, "learning_rate": 0.0001408953238808116, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(476,51,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(477,51,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(478,51,'run','"intents.s1-trial-35"');
INSERT INTO "trial_user_attributes" VALUES(479,50,'seconds','23.999006370000643');
INSERT INTO "trial_user_attributes" VALUES(480,50,'outcome','"pruned"');
INSERT INTO "trial_user_attributes" VALUES(481,50,'reason','"pruned after 25 %: validation loss 5.395 is behind other trials"');
INSERT INTO "trial_user_attributes" VALUES(482,52,'point','"{\"learning_rate\": 7.68492336477e-05, \"lr_scheduler_type\": \"linear\", \"r\": 32.0}"');
INSERT INTO "trial_user_attributes" VALUES(483,52,'params','{"r": 32, "learning_rate": 7.684923364766999e-05, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(484,52,'drawn','{"r": 32, "learning_rate": 7.684923364766999e-05, "lr_scheduler_type": "linear"}');
INSERT INTO "trial_user_attributes" VALUES(485,52,'origin','""');
INSERT INTO "trial_user_attributes" VALUES(486,52,'facts','{}');
INSERT INTO "trial_user_attributes" VALUES(487,52,'run','"intents.s1-trial-36"');
INSERT INTO "trial_user_attributes" VALUES(488,51,'seconds','20.792650331000914');
INSERT INTO "trial_user_attributes" VALUES(489,51,'outcome','"pruned"');
INSERT INTO "trial_user_attributes" VALUES(490,51,'reason','"pruned after 25 %: validation loss 5.11 is behind other trials"');
INSERT INTO "trial_user_attributes" VALUES(491,52,'seconds','22.73026869200112');
INSERT INTO "trial_user_attributes" VALUES(492,52,'outcome','"pruned"');
INSERT INTO "trial_user_attributes" VALUES(493,52,'reason','"pruned after 25 %: validation loss 5.261 is behind other trials"');
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
INSERT INTO "trial_values" VALUES(12,24,0,1.5891399383544921875e+00,'FINITE');
INSERT INTO "trial_values" VALUES(13,25,0,1.88775968551635742187e+00,'FINITE');
INSERT INTO "trial_values" VALUES(14,28,0,1.62512469291687011718e+00,'FINITE');
INSERT INTO "trial_values" VALUES(15,29,0,1.86446273326873779296e+00,'FINITE');
INSERT INTO "trial_values" VALUES(16,30,0,1.64369964599609375e+00,'FINITE');
INSERT INTO "trial_values" VALUES(17,31,0,1.47781789302825927734e+00,'FINITE');
INSERT INTO "trial_values" VALUES(18,33,0,1.07877157628536224365e-01,'FINITE');
INSERT INTO "trial_values" VALUES(19,32,0,5.016754150390625e+00,'FINITE');
INSERT INTO "trial_values" VALUES(20,35,0,5.02425861358642578125e+00,'FINITE');
INSERT INTO "trial_values" VALUES(21,34,0,7.38471075892448425292e-02,'FINITE');
INSERT INTO "trial_values" VALUES(22,37,0,1.00235775113105773925e-01,'FINITE');
INSERT INTO "trial_values" VALUES(23,36,0,1.11356340348720550537e-01,'FINITE');
INSERT INTO "trial_values" VALUES(24,38,0,5.0279369354248046875e+00,'FINITE');
INSERT INTO "trial_values" VALUES(25,39,0,1.01677328348159790039e-01,'FINITE');
INSERT INTO "trial_values" VALUES(26,40,0,9.10142064094543457031e-02,'FINITE');
INSERT INTO "trial_values" VALUES(27,42,0,0.89,'FINITE');
INSERT INTO "trial_values" VALUES(28,41,0,0.0,'FINITE');
INSERT INTO "trial_values" VALUES(29,43,0,0.0,'FINITE');
INSERT INTO "trial_values" VALUES(30,44,0,0.925,'FINITE');
INSERT INTO "trial_values" VALUES(31,46,0,0.89,'FINITE');
INSERT INTO "trial_values" VALUES(32,45,0,0.0,'FINITE');
INSERT INTO "trial_values" VALUES(33,48,0,5.1479816436767578125e+00,'FINITE');
INSERT INTO "trial_values" VALUES(34,47,0,3.78394031524658203125e+00,'FINITE');
INSERT INTO "trial_values" VALUES(35,49,0,5.14172124862670898437e+00,'FINITE');
INSERT INTO "trial_values" VALUES(36,50,0,5.39541292190551757812e+00,'FINITE');
INSERT INTO "trial_values" VALUES(37,51,0,5.10974931716918945312e+00,'FINITE');
INSERT INTO "trial_values" VALUES(38,52,0,5.26140594482421875e+00,'FINITE');
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
INSERT INTO "trials" VALUES(24,23,1,'COMPLETE','2026-11-27 23:20:14.366898','2026-11-27 23:23:21.706373');
INSERT INTO "trials" VALUES(25,24,1,'COMPLETE','2026-11-27 23:20:18.509814','2026-11-27 23:23:28.439329');
INSERT INTO "trials" VALUES(26,25,1,'FAIL','2026-11-27 23:23:21.779455','2026-11-28 02:09:39.886564');
INSERT INTO "trials" VALUES(27,26,1,'FAIL','2026-11-27 23:23:28.514053','2026-11-28 02:09:39.935607');
INSERT INTO "trials" VALUES(28,27,1,'COMPLETE','2026-11-28 02:09:39.960811','2026-11-28 02:15:11.271492');
INSERT INTO "trials" VALUES(29,28,1,'COMPLETE','2026-11-28 02:09:40.240691','2026-11-28 02:15:18.625781');
INSERT INTO "trials" VALUES(30,29,1,'COMPLETE','2026-11-28 02:15:11.447977','2026-11-28 02:20:32.701233');
INSERT INTO "trials" VALUES(31,30,1,'COMPLETE','2026-11-28 02:15:18.885826','2026-11-28 02:20:35.953191');
INSERT INTO "trials" VALUES(32,0,2,'COMPLETE','2026-11-28 02:20:36.705996','2026-11-28 02:30:10.701475');
INSERT INTO "trials" VALUES(33,1,2,'COMPLETE','2026-11-28 02:20:38.465582','2026-11-28 02:30:09.014200');
INSERT INTO "trials" VALUES(34,2,2,'COMPLETE','2026-11-28 02:30:09.175970','2026-11-28 02:38:25.932656');
INSERT INTO "trials" VALUES(35,3,2,'COMPLETE','2026-11-28 02:30:10.899445','2026-11-28 02:38:25.758094');
INSERT INTO "trials" VALUES(36,4,2,'COMPLETE','2026-11-28 02:38:25.889675','2026-11-28 02:48:03.210881');
INSERT INTO "trials" VALUES(37,5,2,'COMPLETE','2026-11-28 02:38:26.101911','2026-11-28 02:47:57.186788');
INSERT INTO "trials" VALUES(38,6,2,'COMPLETE','2026-11-28 02:47:57.394789','2026-11-28 02:56:22.770029');
INSERT INTO "trials" VALUES(39,7,2,'COMPLETE','2026-11-28 02:48:03.410008','2026-11-28 02:56:24.898140');
INSERT INTO "trials" VALUES(40,8,2,'COMPLETE','2026-11-28 02:56:22.822580','2026-11-28 03:01:11.526130');
INSERT INTO "trials" VALUES(41,0,3,'COMPLETE','2026-11-28 03:01:11.612823','2026-11-28 03:10:15.513962');
INSERT INTO "trials" VALUES(42,1,3,'COMPLETE','2026-11-28 03:01:12.080750','2026-11-28 03:09:30.959055');
INSERT INTO "trials" VALUES(43,2,3,'COMPLETE','2026-11-28 03:09:31.038976','2026-11-28 03:17:32.746594');
INSERT INTO "trials" VALUES(44,3,3,'COMPLETE','2026-11-28 03:10:15.591285','2026-11-28 03:17:41.805092');
INSERT INTO "trials" VALUES(45,4,3,'COMPLETE','2026-11-28 03:17:32.935454','2026-11-28 03:25:07.067735');
INSERT INTO "trials" VALUES(46,5,3,'COMPLETE','2026-11-28 03:17:41.888234','2026-11-28 03:24:33.849383');
INSERT INTO "trials" VALUES(47,31,1,'PRUNED','2026-11-28 08:11:21.226512','2026-11-28 08:11:58.038415');
INSERT INTO "trials" VALUES(48,32,1,'PRUNED','2026-11-28 08:11:21.485225','2026-11-28 08:11:56.726321');
INSERT INTO "trials" VALUES(49,33,1,'PRUNED','2026-11-28 08:11:56.763935','2026-11-28 08:12:20.492267');
INSERT INTO "trials" VALUES(50,34,1,'PRUNED','2026-11-28 08:11:58.071444','2026-11-28 08:12:22.083067');
INSERT INTO "trials" VALUES(51,35,1,'PRUNED','2026-11-28 08:12:20.525224','2026-11-28 08:12:41.331899');
INSERT INTO "trials" VALUES(52,36,1,'PRUNED','2026-11-28 08:12:22.115730','2026-11-28 08:12:44.859085');
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
