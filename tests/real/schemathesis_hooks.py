"""What schemathesis does beside testing: each request comes from an address of its own, so that the limit of rate, which is for
each, does not hide everything behind it."""

import itertools

import schemathesis

numbers = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    high, low = divmod(next(numbers) % 65536, 256)
    case.headers["X-Forwarded-For"] = f"198.18.{high}.{low}"
