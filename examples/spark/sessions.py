"""Collects the events of every customer into one row, as a sessioniser does.

One customer has most of the events. The row of that customer is built in the
heap of one executor: with too little spark.executor.memory the executor dies.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

events = int(sys.argv[1])

spark = SparkSession.builder.getOrCreate()
rows = (
    spark.range(events)
    .withColumn("customer", f.when(f.col("id") % 100 < 95, f.lit(0)).otherwise(f.col("id") % 1000))
    .withColumn("event", f.sha2(f.col("id").cast("string"), 256))
)
longest = (
    rows.groupBy("customer")
    .agg(f.collect_list("event").alias("events"))
    .select("customer", f.size("events").alias("events"))
    .orderBy(f.desc("events"))
    .first()
)
print(f"customer {longest.customer} has {longest.events} events")
spark.stop()
