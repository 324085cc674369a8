"""When to tell whom of what: pure. No clock, no connection, standard library alone (alerting.yml is
read by the delivery jobs too).

`rules` says what has to be true, `states` what an alert is after an evaluation, `turns` what
follows for all of them at once, `notices` who is told, `words` how, `silences` who is not.
"""
