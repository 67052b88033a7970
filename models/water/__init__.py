"""How much water a field needs: reference evapotranspiration, crop, soil, advice."""
