"""Counts the clicks of a day; another job writes the file before."""

import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
clicks = spark.read.json(sys.argv[1])
print(f"{clicks.count()} clicks on {clicks.select('page').distinct().count()} pages")
spark.stop()
