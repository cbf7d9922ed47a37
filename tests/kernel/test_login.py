from django.db import connection


def test_tests_log_in_as_the_runtime_role(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user, current_user")
        assert cursor.fetchone() == (connection.settings_dict["USER"],) * 2
