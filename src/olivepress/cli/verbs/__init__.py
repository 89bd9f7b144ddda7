"""The verbs of ``olivepress``: a module is a verb and has a function of its name; a package is a group of verbs.

They are discovered by their names (``cli.verb_group``) and imported when they are called or listed. A trailing
underscore is not part of the verb: ``import_`` is ``olivepress import``.
"""
