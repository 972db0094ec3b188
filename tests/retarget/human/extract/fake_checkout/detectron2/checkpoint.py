class DetectionCheckpointer:
    def __init__(self, model):
        self.model = model

    def load(self, path):
        self.model.loaded = path
