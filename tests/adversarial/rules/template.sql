city = '{{INPUT}}'
