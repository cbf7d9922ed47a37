"""What makes workflows run.

listening     from a change event to a run, in the same transaction
starting      how a run begins, and when it must not
turns         which runs have a job: one tenant's many do not hold up another's few
advancing     a run, step after step
locks         who is at a run, and who wants to come between two of its steps
steps         what an action sees of its run
positions     where a run stands in its definition
owners        whose rights it has
checkpoints   what is noted of a step and of its run
failures      what becomes of a step that fails
rehearsing    a run that is taken back

A step's effect and the note that it is done are committed together, under a lock of the run's row: whoever dies in
between has done neither, and whoever comes second finds it done. Steps that follow each other may be committed together
as well; if one of them fails, those before it are done again, without it. What talks to the outside cannot be so; it is
done outside any transaction, at least once, always under the same key.
"""
