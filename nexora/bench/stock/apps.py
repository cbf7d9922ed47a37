from django.apps import AppConfig


class StockConfig(AppConfig):
    name = "nexora.bench.stock"
    label = "stock"
