from nexora.kernel.jobs import platform_task


@platform_task
def do_nothing():
    """Stands beside a run of a workflow in `make bench`: what a job costs by itself."""
