"""Sums up the revenue by region, of a column that the table does not have."""

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
orders = spark.createDataFrame([("north", 12.5), ("south", 7.25)], ["region", "amount"])
orders.createOrReplaceTempView("orders")
spark.sql("SELECT region, sum(revenue) AS revenue FROM orders GROUP BY region").show()
spark.stop()
