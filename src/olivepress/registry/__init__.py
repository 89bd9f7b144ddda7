"""From the better artifact to the one in production: gates, MLflow's model registry, an audit log, signatures.

A registered model belongs to one recipe and one target. Its aliases are ``champion`` (in production) and ``challenger``
(no gate fails, and some cannot tell yet). Files that belong to promotions lie in ``registry/``, which is to be kept
under version control: the audit log of each model, and what each promotion was decided from.
"""
