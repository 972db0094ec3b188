class AugInput:
    def __init__(self, image):
        self.image = image
