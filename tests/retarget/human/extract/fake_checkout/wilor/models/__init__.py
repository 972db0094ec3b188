import hamer.models


class WiLoR(hamer.models.HAMER):
    pass
