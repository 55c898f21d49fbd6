"""The work of one machine on many: jobs for Spark that call the functions that serving and `aisle` call.

Spark reads, cuts and shuffles; what is computed of a row is computed inside `mapInArrow` by aisle, with one model a
process. So a job's rows are those that one machine gives. Needs the extra `spark` and Java.
"""

PARTITION_TOKENS = 400_000  # about a minute of one core, where a row is a pair or a product
SHARD_PRODUCTS = 200_000  # about; one process holds a shard
