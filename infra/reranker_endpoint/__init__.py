"""The heavy reranker as a server: what a SageMaker endpoint's container runs, and any machine with torch."""
