city ＝ 'Seattle'
