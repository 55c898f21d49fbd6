# What EMR Serverless runs the jobs of model_export/spark in: its own base with a Python that has aisle, and one bundle.
#
#     docker build --platform linux/arm64 --provenance=false -f infra/images/spark.Dockerfile \
#         --build-context bundle=BUNDLE -t ADDRESS .
#
# The base (emr-spark-8.0.0) brings Spark 4.0.2 with its pyspark, Java 17 and Python 3.11. pyspark stays the base's, so that
# both halves of Spark are of one version; only what it asks for besides is installed.
ARG BASE_IMAGE=public.ecr.aws/emr-serverless/spark/emr-spark-8.0.0:latest
FROM ${BASE_IMAGE}
USER root
RUN python3.11 -m venv /opt/aisle/python
COPY constraints.txt pyproject.toml README.md LICENSE /opt/aisle/source/
COPY aisle /opt/aisle/source/aisle
COPY functions /opt/aisle/source/functions
COPY model_export /opt/aisle/source/model_export
RUN /opt/aisle/python/bin/pip install --no-cache-dir -c /opt/aisle/source/constraints.txt \
        "/opt/aisle/source[offline,aws]" "pandas>=2.2,<3" \
    && /opt/aisle/python/bin/python -m compileall -q /opt/aisle/python/lib
COPY --from=bundle . /opt/aisle/bundle/
RUN /opt/aisle/python/bin/python -m aisle verify /opt/aisle/bundle
ENV PYSPARK_PYTHON=/opt/aisle/python/bin/python PYSPARK_DRIVER_PYTHON=/opt/aisle/python/bin/python
USER hadoop:hadoop
