"""Brings a table to the driver to print a report of it.

The results of all tasks together may not be larger than
spark.driver.maxResultSize, whatever memory the driver has.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

rows = int(sys.argv[1])

spark = SparkSession.builder.getOrCreate()
table = spark.range(0, rows, 1, 8).select("id", f.sha2(f.col("id").cast("string"), 256).alias("name"))
lines = table.collect()
print(f"{len(lines)} lines, the last one is {lines[-1].name}")
spark.stop()
